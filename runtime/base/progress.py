"""Progress bars and notes, on standard error, so that standard output carries results alone."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

QUIET = False


def set_quiet(quiet: bool) -> None:
    """Switch progress bars and notes off (or on again), for the whole program: the option --quiet."""
    global QUIET
    QUIET = quiet


def notes() -> Console:
    """Return the console for notes and warnings."""
    return Console(stderr=True, quiet=QUIET, highlight=False, soft_wrap=True)


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
