"""A build's progress on the screen, and its end on Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.progress import Progress, TaskID

from pptsn.runtime.engines.tensorrt.api import TensorRT

T = TypeVar("T")


class BuildMonitor:
    """Shows each phase of a build as a bar; `make_monitor` gives one that is an IProgressMonitor too.

    The builder calls it from its own threads.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Make the build stop at its next step."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Show a new phase of `num_steps` steps; a part of another one is indented."""
        indent = "  " if parent_phase else ""
        self._tasks[phase_name] = self._progress.add_task(f"{indent}{phase_name}", total=num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Move a phase's bar; returns whether the build goes on."""
        if phase_name in self._tasks:
            self._progress.update(self._tasks[phase_name], completed=step + 1)
        return not self.cancelled

    def phase_finish(self, phase_name: str) -> None:
        """Take a phase off the screen."""
        task = self._tasks.pop(phase_name, None)
        if task is not None:
            self._progress.remove_task(task)


def make_monitor(library: TensorRT, progress: Progress) -> BuildMonitor:
    """Return a monitor that the library's builder accepts: its base class exists once the library is loaded."""

    class Monitor(BuildMonitor, library.module.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            library.module.IProgressMonitor.__init__(self)
            BuildMonitor.__init__(self, progress)

    return Monitor()


def run_interruptibly(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Return what `work` returns; on Ctrl-C call `cancel`, wait for `work` to end and raise KeyboardInterrupt.

    The work runs in a thread of its own: in the main thread the interrupt would be raised inside a call from C++,
    which cannot pass it on.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine-build") as pool:
        # Starts the thread: one that is interrupted while it starts is unknown to the pool, which would not wait.
        pool.submit(int).result()
        try:
            return pool.submit(work).result()
        except KeyboardInterrupt:
            cancel()
            raise  # and leaving the outer block waits for the thread
