"""Presentation times: a source's own, or made up where it has none; and the time of a session, made of them."""

from __future__ import annotations

# Of a source that states no frame rate, in frames a second.
DEFAULT_FPS = 25.0

# Timestamps of reordered pictures that some files get wrong step back by less than this, for a few pictures.
# What goes further, or on for longer, is a jump of the source's own clock, which is passed on.
SMALL_STEP_S = 0.5
_REORDERED_FRAMES = 16

# A live source whose timestamps run ahead of the time that passes by more than this has jumped, not paused.
_LIVE_TOLERANCE_S = 2.0
# What a frame is taken to last where the source's clock says nothing of use.
_NOMINAL_FRAME_S = 0.04


class FrameClock:
    """Gives each frame of a stream a time.

    frame_rate: of a source without timestamps, in frames a second; None to go by the arrival of its frames.
    step_s: from a frame to one that lacks the timestamp that others have.
    """

    def __init__(self, frame_rate: float | None, *, step_s: float) -> None:
        self._frame_rate = frame_rate
        self._step_s = step_s
        self._count = 0
        self._timed = False
        # RTSP states no time for the first frame: what follows is moved so that it continues what was made up.
        self._shift_s = 0.0
        self._last_s = 0.0
        self._held = 0

    def time_s(self, stated_s: float | None, arrived_s: float) -> float:
        """Return the presentation time of the next frame.

        stated_s: its timestamp, in seconds; arrived_s: when it came, by `time.monotonic`.
        """
        if stated_s is not None and not self._timed:
            self._timed = True
            self._shift_s = self._last_s + self._step_s - stated_s if self._count else 0.0
        if self._timed:
            time_s = self._last_s + self._step_s if stated_s is None else self._in_order(stated_s + self._shift_s)
        else:
            time_s = arrived_s if self._frame_rate is None else self._count / self._frame_rate
        self._count += 1
        self._last_s = time_s
        return time_s

    def _in_order(self, time_s: float) -> float:
        """Return `time_s`, or the time of the last frame where it is a little before that."""
        small = 0 < self._last_s - time_s < SMALL_STEP_S
        self._held = self._held + 1 if small and self._count else 0
        if not self._count or not small or self._held > _REORDERED_FRAMES:
            self._held = 0
            return time_s
        return self._last_s


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
