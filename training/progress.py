"""What a training run shows: nested bars with the time left on a terminal, and one line an epoch anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from pptsn.runtime.base.progress import LineConsole, notes, progress_bar
from pptsn.training.ranks.environment import Member

_Item = TypeVar("_Item")


class Display:
    """Writes to `console`, by default standard error, where nothing is shown under --quiet."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or notes()
        self._progress = progress_bar(self._console)

    @classmethod
    def of_rank(cls, member: Member) -> Display:
        """Return the display of one rank: rank 0 shows how the job goes, and the others nothing."""
        return cls(None if member.is_first else LineConsole(quiet=True))

    def line(self, text: str) -> None:
        """Show one line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Show a line for each of `rows`, which are of as many texts; all but the first lie to the right."""
        first, *rest = rows
        table = Table.grid(padding=(0, 2))
        for place in range(len(first)):
            table.add_column(justify="right" if place else "left")
        for row in (first, *rest):
            table.add_row(*row)
        self._console.print(table)

    @contextmanager
    def bar(self, description: str, *, total: int, done: int = 0) -> Iterator[Bar]:
        """Show a bar while the block runs; bars may be nested."""
        outermost = not self._progress.tasks
        task = self._progress.add_task(description, total=total, completed=done)
        if outermost:
            self._progress.start()
        try:
            yield Bar(self._progress, task)
        finally:
            self._progress.remove_task(task)
            if outermost:
                self._progress.stop()


class Bar:
    """One bar of a `Display`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, *, description: str | None = None) -> None:
        """Count `steps` more as done; `description` replaces the text before the bar."""
        self._progress.update(self._task, advance=steps, description=description)

    def each(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield `items`, and count each as done once the next is asked for."""
        for item in items:
            yield item
            self.advance()


def epoch_line(values: Mapping[str, Any], epochs: int, unreadable: int) -> str:
    """Return the line of an epoch: `values` are those of its record, `epochs` all, `unreadable` clips.

    The time to the last one is what all others take if they are as this one; a run may end before it.
    """
    validation = "validation of the averaged weights" if values["val_averaged"] else "validation"
    text = (
        f"epoch {values['epoch']:>3}/{epochs}  loss {values['train_loss']:.3f}  {validation}: loss "
        f"{values['val_loss']:.3f}  top-1 {100 * values['val_top1']:5.1f} %  top-5 "
        f"{100 * values['val_top5']:5.1f} %  {values['duration_s']:.1f} s"
    )
    if left := epochs - values["epoch"]:
        text += f"  {timedelta(seconds=round(left * values['duration_s']))} to epoch {epochs}"
    return text + (f"  {unreadable} clip{'s' if unreadable > 1 else ''} unreadable" if unreadable else "")
