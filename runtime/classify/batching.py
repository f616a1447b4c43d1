"""Filling an engine's batches with crops of any owners, clips or streams' frames, and gathering their logits."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.stages import (
    AGGREGATE,
    BATCH_WAIT,
    COMPUTE,
    CROP,
    Timer,
    report_wait,
    stage,
    stage_in_parts,
)
from pptsn.runtime.engines.base import Batch, Engine, Rows
from pptsn.runtime.frames.preprocess import Frame, cut_crop
from pptsn.runtime.frames.views import crop_views, view_count


@dataclass
class LogitSum:
    """The weighted sum of the logits of one owner's crops so far; with features, these follow in all that it has.

    Sums are kept in float64: 250 float32 logits add up without loss, in whatever batches they come.
    inference_ms: the owner's share of the time that this thread waited for the engine.
    rows: those of each crop, (C,) or (C + D,) float32, in the order in which they came; None where not kept.
    """

    total: npt.NDArray[np.float64]
    weight: float = 0.0
    pending_crops: int = 0
    inference_ms: float = 0.0
    rows: list[Rows] | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all of the logits were numbers: of others no class can be told."""
        return bool(np.isfinite(self.total).all())

    def mean(self) -> Rows:
        """Return the mean logits, (C,) float32, or (C + D,)."""
        return (self.total / self.weight).astype(np.float32)


# What is said of a source whose logits are not, and what to do.
NOT_FINITE = "the model gives logits for it that are no finite numbers"
CHECK_MODEL = "try the model in FP32, and prove it by: pptsn verify MODEL"

# Where the logits of a crop are added, and its weight.
_Row: TypeAlias = "tuple[LogitSum, int]"


@dataclass(frozen=True)
class _Flight:
    """A batch that was submitted: where each row's logits go, how long submitting it took, and what times it."""

    batch: Batch
    rows: list[_Row]
    submit_s: float
    compute: Timer


class CropBatcher(Closing):
    """Cuts crops straight into the engine's batches, submits each when it is full, and adds up the logits.

    The engine's batches are used in turn.  With two, the engine works on one while the other is filled; a batch
    is collected as soon as the one after it was submitted, so that the engine always has work.

    Not thread-safe.  Memory: the engine's batches, and one logit vector an owner until it is taken.
    keep_rows: keep the logits of each crop, too, which is one vector for each.
    features: gather features behind the logits; the engine raises UsageError where it gives none.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        views: str,
        batch_size: int | None = None,
        keep_rows: bool = False,
        features: bool = False,
    ) -> None:
        self._spec, self._name = engine.spec, engine.description
        self._views, self._keep_rows = views, keep_rows
        engine.expect(view_count(views, mirror_in_graph=engine.spec.mirror), batch_size)
        self._batches = engine.new_batches(batch_size, features=features)
        self._width = engine.spec.classes + (engine.features if features else 0)
        self._current = 0
        self._buffer: Frame = self._batches[0].crops
        self._rows: list[_Row] = []  # those that are filled
        self._ready_s: list[float] = []  # of each frame whose first crop waits
        self._in_flight: deque[_Flight] = deque()
        self._sums: dict[int, LogitSum] = {}

    def add(self, owner: int, pixels: Frame, weight: int, *, ready_s: float | None = None) -> None:
        """Add the crops of one resized frame, (H, W, 3) uint8, of `owner`; may run the engine.

        owner: a number of the caller's own: of a clip, or of one frame of a stream.
        ready_s: since when the frame waits, by `time.perf_counter`; for those who measure stages.
        """
        spec = self._spec
        height, width = pixels.shape[:2]
        views = crop_views(self._views, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror)
        logit_sum = self._sums.get(owner)
        if logit_sum is None:
            rows: list[Rows] | None = [] if self._keep_rows else None
            logit_sum = self._sums[owner] = LogitSum(np.zeros(self._width), rows=rows)
        if ready_s is not None:
            self._ready_s.append(ready_s)
        for view in views:
            with stage(CROP):
                cut_crop(pixels, view, out=self._buffer[len(self._rows)])
            self._rows.append((logit_sum, weight))
            logit_sum.pending_crops += 1
            if len(self._rows) == len(self._buffer):
                self._submit()

    def flush(self) -> None:
        """Run the engine on the crops that wait, and collect all that is in flight."""
        if self._rows:
            self._submit()
        while self._in_flight:
            self._collect_oldest()

    @property
    def waiting_crops(self) -> int:
        """How many crops wait for their batch to be filled."""
        return len(self._rows)

    @property
    def in_flight(self) -> int:
        """How many batches were submitted and not collected."""
        return len(self._in_flight)

    def is_complete(self, owner: int) -> bool:
        """Whether all crops of `owner` that were added have their logits."""
        return owner not in self._sums or self._sums[owner].pending_crops == 0

    def take(self, owner: int) -> LogitSum | None:
        """Hand over what was gathered for `owner` and forget it; None where no crop of it came.

        Crops of it that have no logits yet are inferred and count no more: those added later begin anew.
        """
        return self._sums.pop(owner, None)

    def close(self) -> None:
        """Give the engine's batches back; what was not flushed is dropped."""
        self._in_flight.clear()
        for batch in self._batches:
            batch.close()

    def _submit(self) -> None:
        batch = self._batches[self._current]
        compute = stage_in_parts(COMPUTE)
        started_s = time.perf_counter()
        for ready_s in self._ready_s:
            report_wait(BATCH_WAIT, started_s - ready_s)
        with compute:
            batch.submit(len(self._rows))
        self._in_flight.append(_Flight(batch, self._rows, time.perf_counter() - started_s, compute))
        self._rows, self._ready_s = [], []
        self._current = (self._current + 1) % len(self._batches)
        self._buffer = self._batches[self._current].crops
        if len(self._in_flight) == len(self._batches):  # the oldest is the one to be filled next
            self._collect_oldest()

    def _check_shape(self, given: Rows, rows: int) -> None:
        """Raise ModelError where the engine, perhaps a plugin's, gave anything but a row for each crop."""
        expected = (rows, self._width)
        if np.shape(given) != expected:
            what = "logits" if self._width == self._spec.classes else "logits and features"
            cause = f"gave {what} of shape {np.shape(given)} for {rows} crops, expected {expected}"
            raise ModelError(self._name, cause, "convert the model again, or take another backend")

    def _collect_oldest(self) -> None:
        flight = self._in_flight.popleft()
        started_s = time.perf_counter()
        with flight.compute:
            given = flight.batch.collect()
        flight.compute.done()
        self._check_shape(given, len(flight.rows))
        share_ms = 1000 * (flight.submit_s + time.perf_counter() - started_s) / len(flight.rows)
        with stage(AGGREGATE):
            for row, (logit_sum, weight) in zip(given, flight.rows, strict=True):
                logit_sum.total += weight * row.astype(np.float64)
                logit_sum.weight += weight
                logit_sum.pending_crops -= 1
                logit_sum.inference_ms += share_ms
                if logit_sum.rows is not None:
                    logit_sum.rows.append(row.astype(np.float32))  # of a batch that is filled again
