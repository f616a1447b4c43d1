"""How a video is looked at: the choices that a user has, checked.  `pptsn classify` has an option for each."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.options import option
from pptsn.runtime.decoding.decoders import Decoders, check_decoders, decoders_option
from pptsn.runtime.frames.sampling import check_segments, sampling_rule
from pptsn.runtime.frames.views import check_views, view_count


@dataclass(frozen=True, kw_only=True)
class ClassifySettings:
    """Which frames of a video the network sees, which crops of them, and who decodes them.

    Raises UsageError for an unknown name and a number out of range.

    segments: frames to look at.  views: crops of each, a name in VIEW_PLANS.  sampling: which frames, a name in
    SAMPLING_RULES.  Their defaults are those of the published inference.
    decoders: processes that decode, 0 for none but this one, or "auto", see `decoder_count`.
    accept_damaged: whether a source of which nearly all pictures are damaged gets an answer, with a warning.
    """

    segments: int = option("Frames to look at; the published inference takes 25.", default=25)
    views: str = option("Crops of each frame: ten, three or center.", default="ten")
    sampling: str = option("Which frames: centre (published inference) or linspace.", default="centre")
    decoders: Decoders = decoders_option()
    accept_damaged: bool = option("Answer for videos of which nearly all pictures are damaged.", default=False)

    def __post_init__(self) -> None:
        check_views(self.views)
        check_segments(self.segments)
        sampling_rule(self.sampling)
        check_decoders(self.decoders)

    def crops(self, clips: int) -> int:
        """Return about how many crops the network sees of `clips` clips; short clips give fewer."""
        return clips * self.segments * view_count(self.views, mirror_in_graph=True)
