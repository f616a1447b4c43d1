"""Reports and comparisons as files, each by its ending."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pptsn.benchmarks.measure.documents import Series, json_text, plain
from pptsn.benchmarks.reports.compare import Comparison
from pptsn.benchmarks.reports.markdown import comparisons_markdown, report_markdown
from pptsn.runtime.base.errors import InputError, PptsnError
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
