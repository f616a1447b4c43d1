"""The command `pptsn bench report`.  Heavy imports wait until it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pptsn.benchmarks.measure.documents import Series
    from pptsn.benchmarks.reports.compare import Comparison


def report(
    files: Annotated[list[str], typer.Argument(metavar="FILE.json", help="Reports that `pptsn bench` wrote.")],
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", help="NAME.html (one page for all files) or NAME.md; repeatable."),
    ] = None,
    plots: Annotated[
        str | None, typer.Option("--plots", help="Write each plot to this folder, as a PNG file.")
    ] = None,
) -> None:
    """Show reports as tables, Markdown, a page or plots; several of them side by side.

    The first file is what the others are compared with, where they have cases in common.

    Example: pptsn bench report before.json after.json -o report.html --plots plots
    """
    from pptsn.benchmarks.measure.documents import read_series
    from pptsn.benchmarks.measure.publishing import check_outputs, print_last_line
    from pptsn.benchmarks.reports.terminal import output_console
    from pptsn.benchmarks.reports.writing import makers_of, write_files

    check_outputs(output, inputs=files, suffixes=(".html", ".md"))
    if plots:
        from pptsn.runtime.pages.canvas import check_matplotlib

        check_matplotlib()
    series = read_series(files)
    comparisons = _where_possible(series)
    errors = write_files(output or (), makers_of(series, comparisons, only_comparisons=False))
    written = [*(output or ()), *_write_plots(series, plots)]
    _show(series, output_console())
    print_last_line({"schema": "pptsn.bench.files", "version": 1, "reports": files, "written": written})
    if errors:
        raise errors[0]


def _where_possible(series: Sequence[Series]) -> list[Comparison]:
    """Return the comparisons with the first report; one without a case in common has none."""
    from pptsn.benchmarks.reports.compare import compare as compare_reports
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import print_note

    base, *others = series
    found = []
    for new in others:
        try:
            found.append(compare_reports(base.report, new.report, names=(base.name, new.name)))
        except UsageError as error:
            print_note(str(error))
    return found


def _show(series: Sequence[Series], console: Console) -> None:
    from rich.text import Text

    from pptsn.benchmarks.reports.terminal import show_report
    from pptsn.benchmarks.reports.wording import machine_line, run_line
    from pptsn.runtime.base.errors import one_line

    for one in series:
        about = f"{one.name}: {machine_line(one.report.machine)}; {run_line(one.report)}"
        console.print(Text(one_line(about), style="bold"))
        show_report(one.report, console)


def _write_plots(series: Sequence[Series], folder: str | None) -> list[str]:
    if not folder:
        return []
    from pptsn.benchmarks.reports.plots import write_plots

    return [str(path) for path in write_plots(series, folder)]
