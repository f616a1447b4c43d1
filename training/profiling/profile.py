"""The profile of some steps: a table, a record in the metrics, and Paddle's trace of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.files import atomic_file
from pptsn.training.network._paddle import paddle
from pptsn.training.profiling.clock import OTHER, PartClock, spent_on
from pptsn.training.profiling.window import Window
from pptsn.training.progress import Display
from pptsn.training.writing import RunWriter

_Batch = TypeVar("_Batch")
# What the table calls the parts, in its order.
_NAMES = {
    "data": "waiting for data",
    "copy": "copied to the device, normalised",
    "forward": "forward and loss",
    "teacher": "teacher, and its loss",
    "backward": "backward",
    "ranks": "with other ranks",
    "optimizer": "optimizer",
    "validation": "validation",
    "checkpoint": "checkpoint",
    OTHER: "all else",
}


class Profile(Closing):
    """Looks at the steps of `window`, of one rank; without a window at none.

    writer, display: for what came out.  trace: the file for Paddle's trace, which Chrome and Perfetto show.
    `close` before the window's end drops what was found; it may be called twice.
    """

    def __init__(self, window: Window | None, *, writer: RunWriter, display: Display, trace: Path) -> None:
        self._window, self._writer, self._display, self._trace = window, writer, display, trace
        self._clock: PartClock | None = None
        self._tracer: Any = None
        self._done = 0

    def each_batch(self, batches: Iterator[_Batch], *, of: int, done: int) -> Iterator[_Batch]:
        """Yield `batches`, of which `of` make a step, and count the time until each as waiting for data.

        done: steps before them.
        """
        for number in itertools.count():
            step, rest = divmod(number, of)
            if not rest and self._window and done + step == self._window.first:
                self._begin()
            with spent_on("data"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def count_step(self, done: int) -> None:
        """Count a step, after which `done` of the training are; tell what came out after the window's last one.

        Raises InputError where it cannot be written.
        """
        if self._clock is not None and self._window is not None:
            self._done += 1
            if done == self._window.end:
                self._tell(self._clock, self._window)

    def end(self) -> None:
        """Tell what came out of a window that the training's end, which came early, has cut off."""
        if self._clock is not None and self._done and self._window is not None:
            self._tell(self._clock, Window(self._window.first, self._window.first + self._done))
        elif self._window is not None:
            self._display.line(f"--profile {self._window}: the training ended before these steps")

    def close(self) -> None:
        """Look at nothing more."""
        self._stop()
        self._window = None

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.stop()
        if self._tracer is not None:
            self._tracer.stop()
        self._clock = self._tracer = None

    def _begin(self) -> None:
        self._stop()  # of a step that unreadable clips kept from the epoch before
        # Without a function of our own Paddle would write a trace into the current folder.
        self._tracer = paddle.profiler.Profiler(on_trace_ready=lambda tracer: None)
        self._tracer.start()
        settle = paddle.device.synchronize if paddle.get_device().startswith("gpu") else None
        self._clock = PartClock(mark=_marked, settle=settle)
        self._clock.start()

    def _tell(self, clock: PartClock, window: Window) -> None:
        tracer, steps = self._tracer, window.end - window.first
        self.close()
        parts_ms = {name: 1000 * clock.seconds[name] / steps for name in _NAMES if name in clock.seconds}
        step_ms = sum(parts_ms.values())
        self._writer.write("profile", first=window.first, end=window.end, step_ms=step_ms, parts_ms=parts_ms)
        with atomic_file(self._trace) as temporary:
            tracer.export(str(temporary), format="json")
        which = f"steps {window.first} to {window.end - 1}" if steps > 1 else f"step {window.first}"
        self._display.line(f"profile of {which}: {step_ms:.1f} ms a step")
        self._display.table(
            (f"  {_NAMES[name]}", f"{ms:.1f} ms", f"{100 * ms / step_ms:.1f} %") for name, ms in parts_ms.items()
        )
        self._display.line(f"each operation of these steps: {self._trace} (chrome://tracing, ui.perfetto.dev)")


def _marked(name: str) -> Any:
    """Return the context of a part in Paddle's trace, where "backward" alone is a name of Paddle's own."""
    return paddle.profiler.RecordEvent(f"pptsn: {name}")
