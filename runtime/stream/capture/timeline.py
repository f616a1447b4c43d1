"""A source's own clock, made into one that never runs backwards: seconds from the session's first frame."""

from __future__ import annotations

# A live source whose timestamps run ahead of the clock on the wall by more than this has jumped, not paused.
_LIVE_TOLERANCE_S = 2.0
# What a frame is taken to last where the source's clock says nothing of use.
_NOMINAL_FRAME_S = 0.04


class Timeline:
    """Maps presentation times of one session to seconds from its first frame, never decreasing.

    A step backwards starts a new stretch of the source's clock, which goes on where the last one ended.  So does a
    jump ahead of a live source by more than the time that has passed meanwhile; a file is believed.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._base_s = 0.0
        self._last_pts_s: float | None = None
        self._last_captured_s = 0.0
        self._time_s = 0.0
        self.jumps = 0

    def at(self, pts_s: float, captured_s: float) -> float:
        """Return the time of the frame at `pts_s` that was captured at `captured_s` (`time.monotonic`)."""
        if self._last_pts_s is None:
            self._base_s = pts_s
        elif self._jumps(pts_s - self._last_pts_s, captured_s - self._last_captured_s):
            self.jumps += 1
            passed_s = captured_s - self._last_captured_s if self._live else 0.0
            self._base_s = pts_s - self._time_s - max(passed_s, _NOMINAL_FRAME_S)
        self._last_pts_s, self._last_captured_s = pts_s, captured_s
        self._time_s = max(self._time_s, pts_s - self._base_s)
        return self._time_s

    def _jumps(self, step_s: float, passed_s: float) -> bool:
        return step_s < 0 or (self._live and step_s - passed_s > _LIVE_TOLERANCE_S)
