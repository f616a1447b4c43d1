"""Ranks run the command that was given, without what only their supervisor is to do."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from pptsn.cli.program import command_line
from pptsn.cli.ranks.devices_option import _arguments


def read(*words: str) -> Any:
    """Return the context of the command in `words`."""
    group: Any = typer.main.get_command(command_line())
    above = group.make_context("pptsn", list(words))
    name, command, rest = group.resolve_command(above, [*above._protected_args, *above.args])
    return command.make_context(name, rest, parent=above)


@pytest.mark.parametrize(
    "words",
    [
        ("train", "my.yaml", "--devices", "0,1"),
        ("--quiet", "train", "--devices=0,1", "-o", "-odd name", "--set", "a.b=[1, 2]", "--set", "c=", "demo"),
        ("-v", "train", "--resume", "--resume-ranks", "--devices", "0,1", "--", "--my.yaml"),
        ("evaluate", "demo", "--devices", "0,1", "--weights", "a b.pdparams", "--segments", "3", "--json"),
    ],
    ids=" ".join,
)
def test_ranks_read_what_was_given(words: tuple[str, ...]) -> None:
    given = read(*words)
    again = read(*_arguments(given))
    assert again.params == {**given.params, "devices": None}
    assert again.parent.params == given.parent.params
    assert given.params["devices"] == "0,1"


def test_after_a_restart_they_go_on_and_never_restart_by_themselves() -> None:
    given = read("train", "demo", "--devices", "cpu:2", "--restarts", "3")
    assert given.params["resume"] is False
    again = read(*_arguments(given, resume=True)).params
    assert (again["resume"], again["devices"], again["restarts"]) == (True, None, 0)
