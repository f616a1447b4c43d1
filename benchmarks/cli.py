"""The commands of `pptsn bench`.  Heavy imports wait until a command runs."""

from __future__ import annotations

import typer

import benchmarks.gains_cli
import benchmarks.live.cli
import benchmarks.reports.cli
import benchmarks.scenarios.cli
import benchmarks.stages.cli
import benchmarks.suite.cli
import benchmarks.sweep.cli

_bench = typer.Typer(no_args_is_help=True, help="Measure models on this machine; reports; comparisons.")
# In the order of the help.
for _area in (
    benchmarks.suite.cli,
    benchmarks.scenarios.cli,
    benchmarks.live.cli,
    benchmarks.stages.cli,
    benchmarks.sweep.cli,
    benchmarks.gains_cli,
    benchmarks.reports.cli,
):
    _area.add_to(_bench)


def mount(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(_bench, name="bench")
