"""The commands of `pptsn bench`."""

from __future__ import annotations

import typer

from pptsn.cli.bench import live, report, run, scenario, stages, sweep

app = typer.Typer(no_args_is_help=True, help="Measure models on this machine; reports; comparisons.")
for area in (run, scenario, live, stages, sweep, report):  # in the order of the help
    area.add_to(app)
