"""How a video is looked at: the choices that a user has, checked; and what is kept of it besides its answer."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.options import check_flag, option
from pptsn.runtime.decoding.decoders import Decoders, check_decoders, decoders_option
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.frames.sampling import check_segments, sampling_rule
from pptsn.runtime.frames.views import check_views


@dataclass(frozen=True, kw_only=True)
class ClassifySettings:
    """Which frames of a video the network sees, which crops of them, and who decodes them; what results keep.

    Commands that classify have an option for each but the last two, which are for who has a use for what is kept.
    Raises UsageError for an unknown name and a number out of range.

    segments: frames to look at.  views: crops of each, a name in VIEW_PLANS.  sampling: which frames, a name in
    SAMPLING_RULES.  None leaves each to the model, see `ModelSpec.protocol`.
    decoders: processes that decode, 0 for none but this one, or "auto", see `decoder_count`.
    accept_damaged: whether a source of which nearly all pictures are damaged gets an answer, with a warning.
    evidence: whether results keep the logits of each crop of each frame, and say what each has added to theirs.
    pictures: how many small pictures of each clip results keep, of the frames that are looked at.
    """

    segments: int | None = option("Frames to look at; if not given, as many as the model says.", default=None)
    views: str | None = option("Crops of each frame: ten, three or center; else the model's.", default=None)
    sampling: str | None = option("Which frames: centre or linspace; else the model's.", default=None)
    decoders: Decoders = decoders_option()
    accept_damaged: bool = option("Answer for videos of which nearly all pictures are damaged.", default=False)
    evidence: bool = False
    pictures: int = 0

    def __post_init__(self) -> None:
        if self.views is not None:
            check_views(self.views)
        if self.segments is not None:
            check_segments(self.segments)
        if self.sampling is not None:
            sampling_rule(self.sampling)
        check_decoders(self.decoders)
        check_flag(self.accept_damaged, "--accept-damaged")
        check_flag(self.evidence, "--evidence")

    def changing(self, protocol: Protocol) -> Protocol:
        """Return how clips are looked at by these settings, by a model that looks at them by `protocol`."""
        return protocol.but(segments=self.segments, views=self.views, sampling=self.sampling)
