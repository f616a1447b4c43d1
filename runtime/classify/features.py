"""What the network sees in a clip before it names a class: pooled vectors, to compare clips or to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.evidence import CropLogits
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.engines.base import Features


@dataclass(frozen=True, eq=False)
class ClipFeatures:
    """The features of one clip, and its answer by the same run of the network.

    clip: (D,) float32, the mean over all frames and crops, D being `ModelSpec.features`; the network's classifier,
        which is linear, makes the clip's logits of it.
    by_frame: (S, D) float32, of each segment's frame the mean over its crops; their mean is `clip`.
    answer: as of `classify` with `evidence`.
    """

    clip: Features
    by_frame: Features
    answer: Classification

    @property
    def source(self) -> str:
        """The clip's name."""
        return self.answer.source

    @property
    def frames(self) -> tuple[int, ...]:
        """The number of each segment's frame in the source, S of them, ascending; see CropLogits."""
        return self._kept.frames

    @property
    def times_s(self) -> tuple[float | None, ...]:
        """When each is shown, in seconds on the source's own clock; None where it has none."""
        return self._kept.times_s

    @property
    def _kept(self) -> CropLogits:
        if self.answer.crop_logits is None:
            raise ValueError("the answer is without evidence")
        return self.answer.crop_logits

    def to_dict(self) -> dict[str, Any]:
        """Return source, frames, times and vectors as JSON has them."""
        return {
            "source": printable(self.source),
            "frames": list(self.frames),
            "times_s": list(self.times_s),
            "clip": self.clip.tolist(),
            "by_frame": self.by_frame.tolist(),
        }
