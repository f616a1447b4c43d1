"""Which steps are looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError
from pptsn.training.progress import Display

# Each takes some MB of memory, and of the trace.
MOST_STEPS = 100
_FORM = re.compile(r"\s*([0-9]{1,9}):([0-9]{1,9})\s*")


@dataclass(frozen=True)
class Window:
    """The steps from `first` to before `end`, counted over the whole training, from 0, as in `metrics.jsonl`."""

    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.first}:{self.end}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Return the window that `text`, FIRST:END, means; raises UsageError for what means none."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError("--profile", f"is {text!r}, expected FIRST:END", "10:20 is for the steps 10 to 19")
        window = cls(int(match[1]), int(match[2]))
        if window.end <= window.first:
            raise UsageError("--profile", f"is {window}, which holds no step", "10:20 is for the steps 10 to 19")
        if window.end - window.first > MOST_STEPS:
            cause = f"is {window}, which are {window.end - window.first} steps, more than {MOST_STEPS}"
            raise UsageError("--profile", cause, "a few tell as much")
        return window

    def left(self, *, done: int, total: int, display: Display) -> Window | None:
        """Return what of the window is left in a training of `total` steps of which `done` are done, if anything.

        `display` tells where nothing is.  Raises UsageError where the training ends before the window does.
        """
        if self.end > total:
            cause = f"is {self}, and the training ends with step {total - 1}"
            raise UsageError("--profile", cause, f"choose steps before that: END is {total} at most")
        if self.end <= done:
            display.line(f"--profile {self}: these steps are done, the run goes on with step {done}")
            return None
        return Window(max(self.first, done), self.end)
