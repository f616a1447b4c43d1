"""Presentation times: a source's own, or made up where it has none.  What they are worth: see `timeline.py`."""

from __future__ import annotations

# Of a source that states no frame rate, in frames a second.
DEFAULT_FPS = 25.0


class FrameClock:
    """Gives each frame of a stream the time that its source states, or one that is made up.

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

    def time_s(self, stated_s: float | None, arrived_s: float) -> float:
        """Return the presentation time of the next frame.

        stated_s: its timestamp, in seconds; arrived_s: when it came, by `time.monotonic`.
        """
        if stated_s is not None and not self._timed:
            self._timed = True
            self._shift_s = self._last_s + self._step_s - stated_s if self._count else 0.0
        if self._timed:
            time_s = self._last_s + self._step_s if stated_s is None else stated_s + self._shift_s
        else:
            time_s = arrived_s if self._frame_rate is None else self._count / self._frame_rate
        self._count += 1
        self._last_s = time_s
        return time_s
