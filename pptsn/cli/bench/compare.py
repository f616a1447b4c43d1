"""The command `pptsn bench compare`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pptsn.benchmarks.reports.compare import Comparison

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
    from pptsn.benchmarks.measure.documents import read_series
    from pptsn.benchmarks.measure.publishing import check_outputs, print_last_line
    from pptsn.benchmarks.reports.compare import compare as compare_reports
    from pptsn.benchmarks.reports.compare import summary_line
    from pptsn.benchmarks.reports.judging import Bounds
    from pptsn.benchmarks.reports.terminal import output_console
    from pptsn.benchmarks.reports.writing import makers_of, write_files
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
    errors = write_files(output or (), makers_of(series, comparisons, only_comparisons=True))
    console = output_console()
    for comparison in comparisons:
        _show_comparison(comparison, console)
    print_last_line(summary_line(comparisons))
    if errors:
        raise errors[0]
    if any(comparison.regressions for comparison in comparisons):
        raise typer.Exit(1)


def _show_comparison(comparison: Comparison, console: Console) -> None:
    from rich.text import Text

    from pptsn.benchmarks.reports.compare import changed_table, counts
    from pptsn.benchmarks.reports.terminal import show_table, show_warning
    from pptsn.runtime.base.errors import one_line

    console.print(Text(one_line(counts(comparison)), style="bold"))
    if table := changed_table(comparison):
        show_table(table, console)
    for note in comparison.notes:
        show_warning(note, console)
    for verdict in comparison.regressions:
        console.print(Text(f"worse: {one_line(verdict.sentence)}", style="red"))
