"""Tools as programs: their command run, an expected failure in one line, what was measured until Ctrl-C kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import end, gathered, publish
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.base.progress import notes


def run(command: Callable[..., Any]) -> None:
    """Run `command` as the program; exits with the code of an expected failure."""
    try:
        typer.run(command)
    except PptsnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def tell(line: str) -> None:
    """Print a line about what is measured, on standard error."""
    notes().print(line, markup=False)


def publish_as_they_come(
    results: Iterable[Result],
    *,
    outputs: Iterable[str] | None,
    method: Method,
    top_line: Callable[[list[Result]], str] = lambda found: "",
) -> None:
    """Publish `results` when all have come, or those that came until Ctrl-C or an error; then end as it did.

    top_line: what sums up the results, as `publish` takes it.
    """
    found, ending = gathered(results)
    if isinstance(ending, KeyboardInterrupt):
        tell("stopped; what was measured until now is kept")
    if found:
        publish(found, outputs=outputs, method=method, top_line=top_line(found))
    end(found, ending)
