"""`pptsn bench report` and `pptsn bench compare`.  Heavy imports wait until a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pptsn.benchmarks.reports.compare import Comparison
    from pptsn.benchmarks.reports.series import Series
    from pptsn.runtime.base.errors import PptsnError

_DEFAULT_BOUND = 10.0
_DEFAULT_ACCURACY_BOUND = 1.0

RawOption = Annotated[
    bool, typer.Option("--raw", help="Judge figures as they were measured, whatever the machines' speeds.")
]
BoundOption = Annotated[
    float, typer.Option("--max-regression", min=0, help="Percent by which a figure may get worse.")
]
AccuracyOption = Annotated[
    float, typer.Option("--max-accuracy-loss", min=0, help="Points by which an accuracy in percent may get worse.")
]


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
    from pptsn.benchmarks.measure.publishing import check_outputs, print_last_line
    from pptsn.benchmarks.reports.series import read_series
    from pptsn.benchmarks.reports.terminal import output_console

    check_outputs(output, inputs=files, suffixes=(".html", ".md"))
    if plots:
        from pptsn.benchmarks.reports.canvas import check_matplotlib

        check_matplotlib()
    series = read_series(files)
    comparisons = _where_possible(series)
    errors = _write(series, comparisons, output or ())
    written = [*(output or ()), *_write_plots(series, plots)]
    _show(series, output_console())
    print_last_line({"schema": "pptsn.bench.files", "version": 1, "reports": files, "written": written})
    if errors:
        raise errors[0]


def compare(
    files: Annotated[
        list[str], typer.Argument(metavar="BASE.json NEW.json...", help="The base first; each other against it.")
    ],
    max_regression: BoundOption = _DEFAULT_BOUND,
    max_accuracy_loss: AccuracyOption = _DEFAULT_ACCURACY_BOUND,
    raw: RawOption = False,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", help="NAME.html, NAME.md or NAME.json; repeatable."),
    ] = None,
) -> None:
    """Compare reports: exit code 1 where a figure got worse past the bound, or a case failed or is missing.

    A change counts where the intervals of the two figures do not overlap. Where the processors differ, or one was
    slower by more than 10 % (both reports timed the same short work), times and rates are judged as if they were
    equally fast.

    Example: pptsn bench compare before.json after.json --max-regression 5
    """
    from pptsn.benchmarks.measure.publishing import check_outputs, print_last_line
    from pptsn.benchmarks.reports.compare import compare as compare_reports
    from pptsn.benchmarks.reports.judging import Bounds
    from pptsn.benchmarks.reports.series import read_series
    from pptsn.benchmarks.reports.terminal import output_console
    from pptsn.benchmarks.reports.verdicts import summary_line
    from pptsn.runtime.base.errors import UsageError

    if len(files) < 2:
        raise UsageError(
            "compare", "needs two reports or more", "name the base first, then what to compare with it"
        )
    check_outputs(output, inputs=files)
    series = read_series(files)
    base, *others = series
    bounds = Bounds(percent=max_regression, accuracy_points=max_accuracy_loss)
    comparisons = [
        compare_reports(base.report, new.report, names=(base.name, new.name), bounds=bounds, raw=raw)
        for new in others
    ]
    errors = _write(series, comparisons, output or (), is_comparison=True)
    console = output_console()
    for comparison in comparisons:
        _show_comparison(comparison, console)
    print_last_line(summary_line(comparisons))
    if errors:
        raise errors[0]
    if any(comparison.regressions for comparison in comparisons):
        raise typer.Exit(1)


def _where_possible(series: Sequence[Series]) -> list[Comparison]:
    """Return the comparisons with the first report; one without a case in common has none."""
    from pptsn.benchmarks.reports.compare import compare as compare_reports
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import notes

    base, *others = series
    found = []
    for new in others:
        try:
            found.append(compare_reports(base.report, new.report, names=(base.name, new.name)))
        except UsageError as error:
            notes().print(f"pptsn: note: {error}", markup=False)
    return found


def _show(series: Sequence[Series], console: Console) -> None:
    from rich.text import Text

    from pptsn.benchmarks.reports.machines import machine_line, run_line
    from pptsn.benchmarks.reports.terminal import show_report
    from pptsn.runtime.base.files import printable

    for one in series:
        about = f"{one.name}: {machine_line(one.report.machine)}; {run_line(one.report)}"
        console.print(Text(printable(about), style="bold"))
        show_report(one.report, console)


def _show_comparison(comparison: Comparison, console: Console) -> None:
    from rich.text import Text

    from pptsn.benchmarks.reports.terminal import show_table, show_warning
    from pptsn.benchmarks.reports.verdicts import changed_table, counts
    from pptsn.runtime.base.files import printable

    console.print(Text(printable(counts(comparison)), style="bold"))
    if table := changed_table(comparison):
        show_table(table, console)
    for note in comparison.notes:
        show_warning(note, console)
    for verdict in comparison.regressions:
        console.print(Text(f"worse: {printable(verdict.sentence)}", style="red"))


def _write(
    series: Sequence[Series],
    comparisons: Sequence[Comparison],
    outputs: Sequence[str],
    *,
    is_comparison: bool = False,
) -> list[PptsnError]:
    """Write the outputs by their endings; return why some could not be written."""
    from pptsn.runtime.base.errors import PptsnError
    from pptsn.runtime.base.files import write_text

    errors = []
    for output in outputs:
        try:
            write_text(output, _text_of(output, series, comparisons, is_comparison))
        except PptsnError as error:
            errors.append(error)
    return errors


def _text_of(output: str, series: Sequence[Series], comparisons: Sequence[Comparison], is_comparison: bool) -> str:
    import json
    from pathlib import Path

    from pptsn.benchmarks.measure.documents import plain
    from pptsn.benchmarks.reports.markdown import comparisons_markdown, report_markdown

    suffix = Path(output).suffix
    if suffix == ".html":
        from pptsn.benchmarks.reports.html import report_html

        return report_html(series, comparisons)
    if suffix == ".md":
        parts = [] if is_comparison else [report_markdown(one.report) for one in series]
        return "\n".join([*parts, *([comparisons_markdown(comparisons)] if comparisons else [])])
    document: dict[str, Any] = {
        "schema": "pptsn.bench.comparison",
        "version": 1,
        "comparisons": [comparison.to_dict() for comparison in comparisons],
    }
    return json.dumps(plain(document), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _write_plots(series: Sequence[Series], folder: str | None) -> list[str]:
    if not folder:
        return []
    from pptsn.benchmarks.reports.plots import write_plots

    return [str(path) for path in write_plots(series, folder)]
