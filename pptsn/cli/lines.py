"""The one way by which commands print lines: whatever names, labels and libraries bring into one stays in it."""

from __future__ import annotations

import typer

from pptsn.runtime.base.errors import spelled
from pptsn.runtime.base.lines import NOTED


def say(text: str, *, err: bool = False) -> None:
    """Print `text`, one line, on standard output or standard error, with control characters in it spelled out.

    That nobody can read standard error is no failure.
    """
    typer.echo(spelled(text), file=NOTED if err else None)
