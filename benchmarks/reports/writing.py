"""Reports and comparisons as files, each by its ending, and their Markdown, readable on GitHub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pptsn.benchmarks.measure.documents import Series, json_text, plain
from pptsn.benchmarks.measure.results import Report
from pptsn.benchmarks.reports.compare import Comparison, changed_table, counts, unchanged_table
from pptsn.benchmarks.reports.tables import SectionView, Table, section_views
from pptsn.benchmarks.reports.wording import machine_line, run_line
from pptsn.runtime.base.errors import InputError, PptsnError, one_line
from pptsn.runtime.base.files import write_text

# In the order in which they are written: what cannot be made again without measuring comes first.
SUFFIXES = (".json", ".md", ".html")

# What makes the text of a file, by its ending.
Makers = Mapping[str, Callable[[], str]]


def write_files(outputs: Iterable[str], makers: Makers) -> list[PptsnError]:
    """Write each of `outputs` by its ending, which has to be among those of `makers`; return why some failed."""
    errors: list[PptsnError] = []
    for output in sorted(outputs, key=lambda output: SUFFIXES.index(Path(output).suffix)):
        try:
            write_text(output, makers[Path(output).suffix]())
        except PptsnError as error:
            errors.append(error)
        except Exception as error:  # a plotting library of another NumPy, say: the others are written all the same
            errors.append(InputError(output, f"cannot be made ({type(error).__name__}: {error})"))
    return errors


def makers_of(series: Sequence[Series], comparisons: Sequence[Comparison], *, only_comparisons: bool) -> Makers:
    """Return what makes the files of several reports and their comparisons.

    only_comparisons: without the reports themselves, but for the page, which has both.
    """

    def markdown() -> str:
        parts = [] if only_comparisons else [report_markdown(one.report) for one in series]
        return "\n".join([*parts, *([comparisons_markdown(comparisons)] if comparisons else [])])

    def page() -> str:
        from pptsn.benchmarks.reports.html import report_html

        return report_html(series, comparisons)

    def document() -> str:
        found = [comparison.to_dict() for comparison in comparisons]
        return json_text(plain({"schema": "pptsn.bench.comparison", "version": 1, "comparisons": found}))

    return {".json": document, ".md": markdown, ".html": page}


# What Markdown or the HTML in it would take for more than text.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")


def report_markdown(report: Report, *, level: int = 2) -> str:
    """Return the report; `level` is that of its headings."""
    return "\n".join(_lines(report, level)) + "\n"


def table_markdown(table: Table) -> str:
    """Return one table, with its caption before it."""
    rows = [
        _row(column.title for column in table.columns),
        "|" + "|".join("---:" if column.is_figure else "---" for column in table.columns) + "|",
        *(_row(map(str, row)) for row in table.rows),
    ]
    return "\n".join([*([f"{escape(table.caption)}:", ""] if table.caption else []), *rows])


def escape(text: str) -> str:
    """Return `text` in one line, such that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def comparisons_markdown(comparisons: Iterable[Comparison], *, level: int = 2) -> str:
    """Return comparisons: the counts, what to know of the machines, and a table each."""
    lines: list[str] = []
    for comparison in comparisons:
        lines += [f"{'#' * level} {escape(counts(comparison))}", ""]
        lines += [f"> **Note:** {escape(note)}\n" for note in comparison.notes]
        if changed := changed_table(comparison):
            lines += [table_markdown(changed), ""]
        if unchanged := unchanged_table(comparison):
            summary = f"<summary>As before: {len(unchanged.rows)} figures</summary>"
            lines += ["<details>", summary, "", table_markdown(unchanged), "", "</details>", ""]
    return "\n".join(lines)


def _lines(report: Report, level: int) -> Iterator[str]:
    yield f"Measured on {escape(machine_line(report.machine))}; {escape(run_line(report))}."
    for warning in report.noise.get("warnings") or ():
        yield f"\n> **Warning:** {escape(str(warning))}"
    for view in section_views(report):
        yield ""
        yield from _section(view, level)


def _section(view: SectionView, level: int) -> Iterator[str]:
    yield f"{'#' * level} {view.title}"
    yield ""
    yield escape(view.explanation)
    if view.shared:
        yield f"All with {escape(view.shared)}."
    for table in view.tables:
        yield f"\n{table_markdown(table)}"
    yield from _list(map(escape, view.sentences))
    yield from _list(f"**failed:** {escape(failure)}" for failure in view.failures)
    yield from _list(f"*{escape(note)}*" for note in view.notes)


def _list(lines: Iterable[str]) -> Iterator[str]:
    items = [f"- {line}" for line in lines]
    if items:
        yield "\n" + "\n".join(items)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"
