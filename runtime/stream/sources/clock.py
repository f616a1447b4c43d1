"""Presentation times: those of the source, or made up where it has none."""

from __future__ import annotations

# Timestamps of reordered pictures that some files get wrong step back by less than this, for a few pictures.
# What goes further, or on for longer, is a jump of the source's own clock, which is passed on.
SMALL_STEP_S = 0.5
_REORDERED_FRAMES = 16


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
