"""What a training run shows: a bar with the time left on a terminal, and one line an epoch anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display:
    """Writes to `console`; `quiet` shows nothing but errors (which are not its business)."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )

    def line(self, text: str) -> None:
        """Show one line that stays."""
        if not self._quiet:
            self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, description: str, *, total: int, done: int = 0) -> Iterator[Bar]:
        """Show a bar while the block runs; bars can be nested."""
        with self._live():
            task = self._bar.add_task(description, total=total, completed=done, note="")
            try:
                yield Bar(self._bar, task)
            finally:
                self._bar.remove_task(task)

    @contextmanager
    def _live(self) -> Iterator[None]:
        """Start the display at the outermost bar and stop it there."""
        if self._bar.tasks:
            yield
            return
        self._bar.start()
        try:
            yield
        finally:
            self._bar.stop()


class Bar:
    """One bar of a `Display`."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, *, note: str | None = None) -> None:
        """Count `steps` more as done, and show `note` behind the bar."""
        fields = {} if note is None else {"note": note}
        self._progress.update(self._task, advance=steps, **fields)  # type: ignore[arg-type]
