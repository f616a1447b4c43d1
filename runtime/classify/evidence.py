"""What each frame and each crop of a clip has added to its answer: exact parts of a logit, which is a mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.decoding.clips import ClipFrame
from pptsn.runtime.engines.base import Logits, Rows
from pptsn.runtime.frames.views import crop_names

# Parts in JSON have so many decimals: a hundred and more of them still add up to 1e-4.
_DECIMALS = 6


@dataclass(frozen=True, eq=False)
class CropLogits:
    """The logits of each crop of each frame that was looked at; their mean is the clip's.

    logits: (S, V, C) float32: S segments, V crops (a crop and its mirror image are one), C classes.
    frames: the number of each segment's frame in the source, ascending; one that was chosen several times, as in
    a clip of fewer frames than segments, is there as often.
    times_s: when each is shown, in seconds on the source's own clock; None where it has none.
    crops: what the V crops are called.
    """

    logits: Logits
    frames: tuple[int, ...]
    times_s: tuple[float | None, ...]
    crops: tuple[str, ...]

    @property
    def by_frame(self) -> Logits:
        """The mean logits of each segment's frame, (S, C) float32."""
        mean: Logits = self.logits.mean(axis=1, dtype=np.float64).astype(np.float32)
        return mean

    @property
    def by_crop(self) -> Logits:
        """The mean logits of each crop over all frames, (V, C) float32."""
        mean: Logits = self.logits.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def parts(self, class_id: int) -> npt.NDArray[np.float64]:
        """Return what each crop of each segment adds to the clip's centred logit of a class, (S, V) float64.

        A part is (its logit of the class - the mean of its logits over all classes) / (S * V).
        """
        logits = self.logits.astype(np.float64)
        centred: npt.NDArray[np.float64] = logits[..., class_id] - logits.mean(axis=-1)
        return centred / centred.size


@dataclass(frozen=True, eq=False)
class Evidence:
    """Which frames and which crops spoke for a class, and which against it.

    A part is what one crop of one frame adds to the clip's centred logit of the class, which is its logit less the
    mean of the logits of all classes: parts above 0 spoke for the class, parts below against it, and all of them
    add up to that logit.  The class's score comes of the logits after that, by softmax, and by the model's
    temperature, so parts are no shares of a score.

    parts: (F, V) float64, of V crops of F frames.  frames: their numbers in the source, each once.
    times_s: when they are shown, in seconds on the source's own clock; None where it has none.
    crops: what the V crops are called.
    """

    class_id: int
    label: str
    parts: npt.NDArray[np.float64]
    frames: tuple[int, ...]
    times_s: tuple[float | None, ...]
    crops: tuple[str, ...]

    @property
    def logit(self) -> float:
        """The clip's centred logit of the class: the sum of all parts."""
        return float(self.parts.sum())

    @property
    def by_frame(self) -> npt.NDArray[np.float64]:
        """What each frame adds, (F,) float64: the sum of its crops' parts."""
        added: npt.NDArray[np.float64] = self.parts.sum(axis=1)
        return added

    @property
    def by_crop(self) -> npt.NDArray[np.float64]:
        """What each crop adds, (V,) float64: the sum of its parts over all frames."""
        added: npt.NDArray[np.float64] = self.parts.sum(axis=0)
        return added

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of `evidence` in a line of `classify --evidence --output`."""
        return {
            "class_id": self.class_id,
            "label": self.label,
            "logit": round(self.logit, _DECIMALS),
            "frames": [
                {"frame": frame, "time_s": None if time_s is None else round(time_s, 3), "part": _rounded(part)}
                for frame, time_s, part in zip(self.frames, self.times_s, self.by_frame, strict=True)
            ],
            "crops": [
                {"crop": crop, "part": _rounded(part)} for crop, part in zip(self.crops, self.by_crop, strict=True)
            ],
        }


def evidence_of(kept: CropLogits, class_id: int, label: str) -> Evidence:
    """Return what the frames and crops of `kept` say of a class; of a frame that was chosen often, together."""
    frames, first = np.unique(kept.frames, return_index=True)
    parts = np.add.reduceat(kept.parts(class_id), first, axis=0)
    times_s = tuple(kept.times_s[position] for position in first)
    return Evidence(class_id, label, parts, tuple(frames.tolist()), times_s, kept.crops)


class FrameNotes:
    """What is noted of a clip's frames while they come, so that the logits of their crops can be told apart."""

    def __init__(self, views: str) -> None:
        self._views = views
        self._frames: list[tuple[int, float | None, int]] = []
        self._crops: tuple[str, ...] = ()

    def add(self, frame: ClipFrame) -> None:
        """Note a frame whose crops go to the engine now."""
        height, width = frame.pixels.shape[:2]
        self._crops = self._crops or crop_names(self._views, width, height)
        self._frames.append((frame.index, frame.time_s, frame.weight))

    def of_segments(self, rows: Iterable[Rows]) -> Rows:
        """Return what came of each crop in `rows`, (W,) float32 each, frame by frame, as (S, V, W): by segment."""
        stacked = np.stack(list(rows))
        of_frame = stacked.reshape(len(self._frames), len(self._crops), -1, stacked.shape[1])
        mean: Rows = of_frame.mean(axis=2, dtype=np.float64).astype(np.float32)  # over a crop and its mirror image
        return mean[self._chosen()]

    def crop_logits(self, logits: Logits) -> CropLogits:
        """Return `logits` (S, V, C), by segment, with what was noted."""
        chosen = self._chosen()
        return CropLogits(
            logits=logits,
            frames=tuple(self._frames[position][0] for position in chosen),
            times_s=tuple(self._frames[position][1] for position in chosen),
            crops=self._crops,
        )

    def _chosen(self) -> list[int]:
        """Return for each segment, in the order of their frames, which frame is its own, as they came."""
        order = sorted(range(len(self._frames)), key=lambda position: self._frames[position][0])
        return [position for position in order for _ in range(self._frames[position][2])]


def _rounded(part: float) -> float:
    return round(float(part), _DECIMALS)
