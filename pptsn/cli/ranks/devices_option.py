"""The option `--devices`, by which a command is run by several ranks, and how it then goes on in them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

# What a rank runs.  Python would put the current folder first, where anything may lie.
_PROGRAM = "import sys; sys.path[0] = sys.argv.pop(1); from pptsn.cli.ranks.rank import main; main()"
_ROOT = Path(__file__).absolute().parents[3]  # that holds the package
_OURS = ("devices", "restarts")

DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="0,1,...|cpu:N",
        help="Cards, a process each, or N processes on the processors, started by Paddle's launcher.",
    ),
]


def run_by_ranks(
    context: typer.Context, devices: str, *, device: str, logs: Path, restarts: int = 0, resumable: bool = False
) -> None:
    """Run the command of `context` by a rank for each of `devices`, and end with their exit code.

    device: as in recipes.  logs: the folder for what other ranks than rank 0 say.  restarts: see `supervise`.
    resumable: whether the command has --resume, by which it goes on after a restart.
    Raises UsageError for devices that make no sense or contradict `device`, MissingDependencyError for cards that
    are not there, and what `supervise` raises.
    """
    from pptsn.training.ranks.devices import read_devices
    from pptsn.training.ranks.environment import require_no_ranks
    from pptsn.training.ranks.supervising import supervise

    require_no_ranks()
    named = read_devices(devices)
    named.require_there(device)

    def program(resumes: bool) -> Sequence[str]:
        more = {"resume": True} if resumes and resumable else {}
        return [sys.executable, "-c", _PROGRAM, str(_ROOT), *_arguments(context, **more)]

    remedy = f"see {logs}; go on with --resume" if resumable else "start it again"
    code = supervise(program, named, folder=_ROOT, logs=logs, remedy=remedy, restarts=restarts)
    if code:
        raise typer.Exit(code)


def _arguments(context: Any, **changes: object) -> list[str]:
    """Return the command line by which another process runs the command of `context`, with `changes` to it."""
    values = {**context.params, **changes}
    switches = [f"--{name}" for name, is_set in context.parent.params.items() if is_set is True]
    options, arguments = [], []
    for parameter in context.command.params:
        value = values.get(parameter.name)
        if parameter.name in _OURS or value is None or value is False:
            continue
        given = value if parameter.multiple else [value]
        if parameter.param_type_name == "argument":
            arguments += [str(each) for each in given]
        elif value is True:
            options.append(parameter.opts[0])
        else:
            options += [f"{parameter.opts[0]}={each}" for each in given]
    return [*switches, context.info_name, *options, "--", *arguments]
