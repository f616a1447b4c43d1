"""Sampling by presentation time: one frame for each slot of a grid, whatever the frame rate.

With a step of `window / segments` seconds, a window is the last `segments` slots.  A frame rate that varies, or
frames that were dropped, leave slots empty and change nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

# Containers round timestamps to a millisecond.  A frame that much before its slot belongs to it.
_ROUNDING_S = 0.001
# A time-lapse camera that sends a frame each minute has no gap while it goes on doing so.
_SLOW_FRAMES = 3


@dataclass(frozen=True)
class GridSlot:
    """Where a sampled frame belongs: slot `slot` of stretch `epoch`, both counted from 0 in a session.

    A new epoch begins after a gap, a jump in time or a change of the picture's size: what was seen before says
    nothing about what is seen now.
    """

    epoch: int
    slot: int


class TimeGrid:
    """Chooses the first frame in each slot of `step_s` seconds.

    max_gap_s: no frame for longer than this begins a new epoch, unless frames come that rarely anyway.
    """

    def __init__(self, step_s: float, *, max_gap_s: float) -> None:
        self._step_s = step_s
        self._max_gap_s = max_gap_s
        self._tolerance_s = min(_ROUNDING_S, step_s / 4)
        self._epoch = -1
        self._origin_s = self._last_s = 0.0
        self._interval_s: float | None = None  # between the last two frames
        self._last_slot = -1
        self._size: tuple[int, int] | None = None
        self._jumps = 0

    def slot_of(self, time_s: float, *, size: tuple[int, int], jumps: int = 0) -> GridSlot | None:
        """Return where the frame at `time_s` belongs, or None where its slot is taken already.

        Times never decrease.  size: (width, height) of the picture; jumps: of the source's clock so far.
        """
        if size != self._size or jumps != self._jumps or self._is_gap(time_s - self._last_s):
            self._begin(time_s, size, jumps)
        self._last_s = time_s
        slot = int((time_s - self._origin_s + self._tolerance_s) / self._step_s)
        if slot <= self._last_slot:
            return None
        self._last_slot = slot
        return GridSlot(self._epoch, slot)

    def _is_gap(self, interval_s: float) -> bool:
        usual_s, self._interval_s = self._interval_s, interval_s
        return interval_s > max(self._max_gap_s, _SLOW_FRAMES * (usual_s if usual_s is not None else interval_s))

    def _begin(self, time_s: float, size: tuple[int, int], jumps: int) -> None:
        self._epoch += 1
        self._origin_s, self._last_slot = time_s, -1
        self._size, self._jumps = size, jumps
