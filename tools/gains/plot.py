"""The plot of what each gain is worth: `python -m tools.gains.plot REPORT.json -o gains.png`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pptsn.benchmarks.measure.documents import read_report
from pptsn.benchmarks.measure.results import Report
from pptsn.benchmarks.reports.charts import Bar, BarChart, draw_bars
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.pages.canvas import plot_style, write_png
from tools.program import run

_SPEEDUP = "speedup_over_plain_times"


def plot(
    report: Annotated[Path, typer.Argument(help="A report that `python -m tools.gains` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture, a PNG file.")] = Path("gains.png"),
) -> None:
    """Draw how many times as fast as the plain way each rung of the ladder is."""
    chart = chart_of(read_report(report))
    if not chart.bars:
        raise InputError(report, "has no gains", "name a report of: python -m tools.gains")
    write_png(draw(chart), output)


def draw(chart: BarChart) -> Any:
    """Return the figure of `chart`; raises MissingDependencyError without Matplotlib."""
    with plot_style():
        return draw_bars(chart)


def chart_of(report: Report) -> BarChart:
    """Return a bar for each rung that has a speedup, by the names of its part and its own."""
    bars = [
        Bar(f"{result.settings['part']}, {result.settings['rung']}", "gains", figure)
        for result in report.of("gains")
        for figure in result.measurements
        if figure.name == _SPEEDUP and figure.value is not None
    ]
    return BarChart("What each gain is worth", "times as fast as the plain way", tuple(bars), ("gains",))


if __name__ == "__main__":
    run(plot)
