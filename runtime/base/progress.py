"""Progress bars and notes, on standard error, so that standard output carries results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pptsn.runtime.base.errors import one_line
from pptsn.runtime.base.lines import NOTED

# Called with the steps done and the steps in all, by what takes long.
Steps: TypeAlias = Callable[[int, int], None]
# Shows the steps of something under a title, as `steps_bar` does.
StepsBar: TypeAlias = Callable[[str], AbstractContextManager[Steps]]

# Where results go to a file or a pipe, the columns that their tables may take.
_PIPED_COLUMNS = 200

QUIET = False
VERBOSE = False


def set_quiet(quiet: bool) -> None:
    """Switch progress bars and notes off (or on again), for the whole program: the option --quiet."""
    global QUIET
    QUIET = quiet


def set_verbose(verbose: bool) -> None:
    """Switch details on (or off again), for the whole program: the option --verbose."""
    global VERBOSE
    VERBOSE = verbose


class LineConsole(Console):
    """Prints each text as one line, whatever names, labels and libraries have brought into it."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print `objects` as Rich does; those that are no text, such as tables, as they are."""
        super().print(*(one_line(each) if isinstance(each, str) else each for each in objects), **options)


def notes() -> Console:
    """Return the console for notes and warnings."""
    return LineConsole(file=NOTED, quiet=QUIET, highlight=False, soft_wrap=True)


def print_note(text: str) -> None:
    """Print something that the user should know, in a line of its own."""
    notes().print(f"pptsn: note: {text}", markup=False)


def print_detail(text: str) -> None:
    """Print how something is done, in a line of its own, where the user asked for details."""
    console = LineConsole(file=NOTED, quiet=not VERBOSE, highlight=False, soft_wrap=True)
    console.print(f"pptsn: {text}", markup=False)


def progress_bar(console: Console | None = None) -> Progress:
    """Return a progress bar (not started) that shows count, elapsed and remaining time; silent under --quiet."""
    console = console or notes()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=QUIET or not console.is_terminal,
        transient=True,
    )


@contextmanager
def steps_bar(title: str) -> Iterator[Steps]:
    """Show a progress bar for steps whose number is known once the first is done."""
    with progress_bar() as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def results(*, piped_columns: int = _PIPED_COLUMNS) -> Console:
    """Return the console for results on standard output: without colours, and of one width, where it is piped."""
    console = LineConsole(highlight=False)
    return console if console.is_terminal else LineConsole(highlight=False, width=piped_columns)
