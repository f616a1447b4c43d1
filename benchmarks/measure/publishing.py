"""The end of every benchmark: tables for people, files, and one line of JSON for programs."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.text import Text

from pptsn.benchmarks.measure.documents import Series, json_text, plain, report_document, short_names, without_nan
from pptsn.benchmarks.measure.machine import machine_facts
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import SCHEMA, VERSION, Report, Result
from pptsn.benchmarks.reports.terminal import output_console, show_report
from pptsn.benchmarks.reports.wording import machine_brief
from pptsn.benchmarks.reports.writing import SUFFIXES, makers_of, write_files
from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.base.files import printable, refuse_overwriting
from pptsn.runtime.base.stopping import grace

T = TypeVar("T")


def check_outputs(
    outputs: Iterable[str] | None, *, inputs: Iterable[object] = (), suffixes: Sequence[str] = SUFFIXES
) -> None:
    """Raise what would fail after the measurement before it.

    inputs: what must not be overwritten; None among them is left out.
    Raises UsageError for an unknown ending, a folder that is not there, a path that cannot be written, and a file
    that is an input; MissingDependencyError where a page is asked for and its packages are missing.
    """
    read = [name for name in inputs if name is not None]
    for output in outputs or ():
        path = Path(output)
        if path.suffix not in suffixes:
            expected = ", ".join(f"NAME{suffix}" for suffix in suffixes)
            raise UsageError("--output", f"{output} has no ending that is known", f"expected {expected}")
        if path.is_dir():
            raise UsageError("--output", f"{output} is a folder", "name a file in it")
        if not path.parent.is_dir():
            raise UsageError("--output", f"there is no folder {path.parent}", "make it first")
        _check_writable(path)
        refuse_overwriting(output, read)
        if path.suffix == ".html":
            from pptsn.runtime.pages.html import check_html

            check_html()


def _check_writable(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # files are written beside their paths, then renamed
            pass
    except OSError as error:
        cause = f"{path} cannot be written ({error.strerror})"
        raise UsageError("--output", cause, "choose another path") from error


def publish(
    results: Sequence[Result],
    *,
    outputs: Iterable[str] | None,
    method: Method,
    command: str | None = None,
    top_line: str | Mapping[str, Any] = "",
) -> Report:
    """Write `results` to `outputs`, print them as tables, and end what is no terminal with one line of JSON.

    The files come first: what was measured for minutes is not lost with the reader of standard output.
    An interrupted run is published the same way, with the results that there are.
    method: how it was measured; its watch tells of noise.  command: how the program was called, if not as it was.
    top_line: what sums it up: a sentence, or a few figures; goes into that line, and a sentence to people as well.

    Raises what `check_outputs` does, which is to be called before measuring, and InputError for a file that cannot
    be written, after everything else was written and printed.
    """
    report = report_of(results, method, command)
    errors = write_outputs(report, outputs or ())
    console = output_console()
    show_report(report, console)
    if isinstance(top_line, str) and top_line not in _printed(results):
        console.print(Text(printable(top_line), style="bold"))
    print_last_line({**summary(report), **({"top_line": top_line} if top_line else {})})
    if errors:
        raise errors[0]
    return report


def report_of(results: Iterable[Result], method: Method, command: str | None = None) -> Report:
    """Return `results` as a report of now and of this machine; see `publish`."""
    return Report(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=called() if command is None else command,
        machine=machine_facts(),
        noise=method.watch.findings(),
        results=tuple(map(without_nan, results)),
    )


def kept_in(outputs: Iterable[str] | None, method: Method) -> Callable[[Sequence[Result]], None]:
    """Return what writes results to those of `outputs` that are .json, so that whatever is killed has lost none.

    Why one cannot be written is told in the end, by `publish`.
    """
    documents = [output for output in outputs or () if Path(output).suffix == ".json"]

    def keep(results: Sequence[Result]) -> None:
        if documents:
            write_outputs(report_of(results, method), documents)

    return keep


def gathered(
    results: Iterable[T], *, keep: Callable[[Sequence[T]], object] = lambda found: None
) -> tuple[list[T], BaseException | None]:
    """Return the `results` that came, and what ended them: None, Ctrl-C, or an error nobody foresaw.

    So that what was measured can be published before the error is raised.
    keep: called with those until then after each; see `kept_in`.
    """
    found: list[T] = []
    try:
        with grace(30.0):  # for what comes before it is published, and for that
            for result in results:
                found.append(result)
                keep(found)
    except (KeyboardInterrupt, Exception) as error:
        return found, error
    return found, None


def end(results: Sequence[Result], ending: BaseException | None) -> None:
    """End a command whose results were published: with what ended it, else with 1 where a case failed."""
    if isinstance(ending, KeyboardInterrupt):
        raise typer.Exit(130)
    if ending is not None:
        raise ending
    if any(result.error for result in results):
        raise typer.Exit(1)


def _printed(results: Sequence[Result]) -> set[str]:
    """Return the sentences that were printed already, one by one and all together."""
    sentences = [result.sentence for result in results if result.sentence]
    return {"", *sentences, " ".join(sentences)}


def write_outputs(report: Report, outputs: Iterable[str]) -> list[PptsnError]:
    """Write `report` to each of `outputs`, by its ending; return why some could not be written."""
    errors: list[PptsnError] = []
    checked = []
    for output in outputs:
        try:
            check_outputs([output])
            checked.append(output)
        except PptsnError as error:
            errors.append(error)
    pages = [output for output in checked if Path(output).suffix == ".html"]
    (name,) = short_names([*pages, "report"][:1])
    makers = {
        **makers_of([Series(name, report)], [], only_comparisons=False),
        ".json": lambda: json_text(report_document(report)),
    }
    return [*errors, *write_files(checked, makers)]


def summary(report: Report) -> dict[str, Any]:
    """Return what the last line of standard output holds."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "machine": machine_brief(report.machine),
        "warnings": list(report.noise.get("warnings") or ()),
        "figures": report.figures(),
        "errors": {result.key: result.error for result in report.results if result.error},
    }


def print_last_line(document: dict[str, Any]) -> None:
    """Print `document` as compact JSON in one line, whatever the encoding, where people do not read it."""
    if not sys.stdout.isatty():
        print(json.dumps(plain(document), allow_nan=False, separators=(",", ":")))


def called() -> str:
    """Return how the program was called, without the folder that it lies in, and with ~ for the user's own."""
    home = str(Path.home())
    arguments = ["~" + each.removeprefix(home) if each.startswith(f"{home}/") else each for each in sys.argv[1:]]
    return printable(" ".join([Path(sys.argv[0]).name, *(_quoted(argument) for argument in arguments)]))


def _quoted(argument: str) -> str:
    """Return `argument` as a shell takes it; a ~ at its beginning stays one."""
    quoted = shlex.quote(argument.removeprefix("~/"))
    return f"~/{quoted}" if argument.startswith("~/") else quoted
