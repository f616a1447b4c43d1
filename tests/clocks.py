"""A clock for tests of what measures time."""

from __future__ import annotations


class Clock:
    """Seconds that pass when a test says so; they begin anywhere, as those of `time.monotonic`."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
