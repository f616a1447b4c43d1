"""The program of a rank that `--devices` starts: `pptsn`, with a line to its supervisor."""

from __future__ import annotations

from typing import NoReturn

from pptsn.cli.program import run
from pptsn.runtime.base.stopping import leave_unsaid, watch_to_the_end
from pptsn.training.ranks.environment import own_number
from pptsn.training.ranks.line import RankLine


def main() -> NoReturn:
    """Run the command line as one rank of a job, and tell the exit code before the end."""
    watch_to_the_end()
    leave_unsaid()  # the supervisor knows why
    line = RankLine(own_number())
    try:
        run()
    except SystemExit as ending:
        line.tell(ending.code if isinstance(ending.code, int) else 0)
        raise
