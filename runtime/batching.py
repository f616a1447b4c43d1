"""Filling an engine's batches with crops of any clips, and gathering each clip's logits from them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.engines.base import Engine, Logits
from runtime.preprocess import Frame, crop_views, cut_crop


@dataclass
class ClipSum:
    """The weighted sum of the logits of one clip's crops so far.

    Sums are kept in float64: 250 float32 logits add up without loss, in whatever batches they come.
    """

    total: npt.NDArray[np.float64]
    weight: float = 0.0
    pending_crops: int = 0
    inference_ms: float = 0.0

    def mean(self) -> Logits:
        """Return the mean logits, (C,) float32."""
        return (self.total / self.weight).astype(np.float32)


class CropBatcher:
    """Cuts crops straight into one batch buffer and runs the engine whenever it is full.

    Not thread-safe.  Memory: one batch of crops, and one logit vector a clip until it is taken.
    """

    def __init__(self, engine: Engine, *, views: str) -> None:
        size = engine.spec.crop_size
        self._engine = engine
        self._views = views
        self._buffer: Frame = np.empty((engine.batch_size, size, size, 3), np.uint8)
        self._owners: list[tuple[int, int]] = []  # (clip, weight) of each filled row
        self._sums: dict[int, ClipSum] = {}

    def add(self, clip: int, pixels: Frame, weight: int) -> None:
        """Add the crops of one resized frame, (H, W, 3) uint8, of `clip`; may run the engine."""
        spec = self._engine.spec
        height, width = pixels.shape[:2]
        views = crop_views(self._views, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror)
        clip_sum = self._sums.setdefault(clip, ClipSum(np.zeros(spec.classes)))
        for view in views:
            cut_crop(pixels, view, out=self._buffer[len(self._owners)])
            self._owners.append((clip, weight))
            clip_sum.pending_crops += 1
            if len(self._owners) == len(self._buffer):
                self.flush()

    def flush(self) -> None:
        """Run the engine on the crops that wait, if there are any."""
        if not self._owners:
            return
        started_s = time.perf_counter()
        logits = self._engine.infer(self._buffer[: len(self._owners)])
        share_ms = 1000 * (time.perf_counter() - started_s) / len(self._owners)
        for row, (clip, weight) in zip(logits, self._owners, strict=True):
            clip_sum = self._sums[clip]
            clip_sum.total += weight * row.astype(np.float64)
            clip_sum.weight += weight
            clip_sum.pending_crops -= 1
            clip_sum.inference_ms += share_ms
        self._owners.clear()

    def is_complete(self, clip: int) -> bool:
        """Whether all crops of `clip` that were added have their logits."""
        return clip not in self._sums or self._sums[clip].pending_crops == 0

    def take(self, clip: int) -> ClipSum | None:
        """Hand over what was gathered for `clip` and forget it; None where no crop of it came."""
        return self._sums.pop(clip, None)
