"""When the frames of a file are due that runs at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pptsn.runtime.stream.capture.timeline import in_seconds

# Of pauses that are cut short, one is told about at most this often.
_TELL_EVERY_S = 10.0


class Pace:
    """Lets a file run at its own pace, but that no pause takes longer than `longest_s`.

    remark: takes a line where one is cut short.
    """

    def __init__(self, longest_s: float, *, remark: Callable[[str], None]) -> None:
        self._longest_s, self._remark = longest_s, remark
        self._start_s = time.monotonic()
        self._told_s: float | None = None

    def wait(self, time_s: float, stop: threading.Event) -> float:
        """Wait until `time_s` after the beginning, or for `stop`; return when that is (`time.monotonic`)."""
        now_s = time.monotonic()
        pause_s = self._start_s + time_s - now_s
        if pause_s > self._longest_s:
            self._start_s -= pause_s - self._longest_s
            self._tell(pause_s, now_s)
        due_s = self._start_s + time_s
        stop.wait(max(0.0, due_s - now_s))
        return due_s

    def _tell(self, pause_s: float, now_s: float) -> None:
        if self._told_s is None or now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._remark(f"a pause of {in_seconds(pause_s)} in the file is cut to {in_seconds(self._longest_s)}")
