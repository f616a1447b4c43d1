"""One self-contained page: no request to anywhere, readable from a disk, in light and dark; by Jinja2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pptsn.benchmarks.measure.documents import Series
from pptsn.benchmarks.reports.canvas import check_matplotlib, png_uri
from pptsn.benchmarks.reports.compare import Comparison, changed_table, counts, unchanged_table
from pptsn.benchmarks.reports.headlines import headlines
from pptsn.benchmarks.reports.machines import machine_line, run_line
from pptsn.benchmarks.reports.plots import plots_of
from pptsn.benchmarks.reports.tables import section_views
from pptsn.benchmarks.reports.wording import machine_facts_in_words
from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.files import printable

_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class _Picture:
    """A plot as it stands on the page.  uri: of the picture itself.  description: for those who cannot see it."""

    section: str
    caption: str
    uri: str
    description: str


def check_html() -> None:
    """Raise MissingDependencyError where what the page needs is not installed; nothing is loaded."""
    if find_spec("jinja2") is None:
        raise _missing("it is not installed")
    check_matplotlib()


def report_html(series: Sequence[Series], comparisons: Sequence[Comparison] = ()) -> str:
    """Return the page of one report, or of several with a series each in the plots, and their comparisons.

    Raises MissingDependencyError.
    """
    try:
        import jinja2
    except ImportError as error:
        raise _missing(str(error)) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["printable"] = lambda value: printable(str(value))
    pictures = [
        _Picture(plot.section, plot.caption, png_uri(plot.draw()), f"{plot.title}. {plot.caption}")
        for plot in plots_of(series)
    ]
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        reports=[_report(one) for one in series],
        pictures=pictures,
        comparisons=[
            {
                "line": counts(one),
                "notes": one.notes,
                "changed": changed_table(one),
                "unchanged": unchanged_table(one),
            }
            for one in comparisons
        ],
    )


def _report(series: Series) -> dict[str, Any]:
    report = series.report
    return {
        "name": series.name,
        "machine_line": machine_line(report.machine),
        "run_line": run_line(report),
        "warnings": [str(warning) for warning in report.noise.get("warnings") or ()],
        "headlines": headlines(report),
        "sections": section_views(report),
        "machine": machine_facts_in_words(report.machine),
        "noise": machine_facts_in_words({k: v for k, v in report.noise.items() if k != "warnings"}),
    }


def _missing(cause: str) -> MissingDependencyError:
    return MissingDependencyError(
        "jinja2", f"the page of a report needs Jinja2 ({cause})", f"run: {install_command('bench')}"
    )
