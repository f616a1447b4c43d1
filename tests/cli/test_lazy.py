"""Groups list their commands without importing them; what they list is what the commands say of themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from pptsn.cli.lazy import LazyGroup
from pptsn.cli.program import command_line


def groups() -> Iterator[tuple[str, LazyGroup]]:
    """Yield every group of the program with its words."""

    def below(words: str, command: object) -> Iterator[tuple[str, LazyGroup]]:
        if isinstance(command, LazyGroup):
            yield words, command
            for name in command.table:
                yield from below(f"{words} {name}", command.load(name))

    yield from below("pptsn", typer.main.get_command(command_line()))


COMMANDS = [(f"{words} {name}", group, name) for words, group in groups() for name in group.table]


@pytest.mark.parametrize(("words", "group", "name"), COMMANDS, ids=[words for words, _, _ in COMMANDS])
def test_a_group_lists_a_command_by_the_first_line_of_its_own_help(
    words: str, group: LazyGroup, name: str
) -> None:
    own = (group.load(name).help or "").strip().splitlines()[0]
    assert group.commands[name].help == own


def test_the_program_has_the_commands_of_its_groups() -> None:
    assert [words for words, _ in groups()] == [
        "pptsn",
        "pptsn data",
        "pptsn weights",
        "pptsn convert",
        "pptsn bench",
    ]
    assert len(COMMANDS) >= 22


def test_an_unknown_command_is_refused_with_what_was_meant(run) -> None:
    ending = run("clasify")
    assert ending.code == 2
    assert "classify" in ending.err


@pytest.mark.parametrize(
    "words", [["--help"], ["convert", "--help"], ["bench", "--help"], ["data", "--help"], ["weights", "--help"]]
)
def test_help_of_a_group_imports_no_command(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["pptsn", *{words!r}]
from pptsn.cli.program import main
try:
    main()
except SystemExit as ending:
    assert not ending.code
print(*(name for name in sys.modules if name.startswith("pptsn.cli.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded <= {
        "pptsn.cli.program",
        "pptsn.cli.lazy",
        "pptsn.cli.convert",
        "pptsn.cli.bench",
        "pptsn.cli.data",
        "pptsn.cli.weights",
    }


def test_a_command_collects_garbage_though_the_program_starts_without() -> None:
    code = """
import gc, sys
import pptsn.cli.doctor

def doctor():
    "Say what is."
    print(gc.isenabled(), gc.get_freeze_count() > 0)

pptsn.cli.doctor.doctor = doctor
sys.argv[1:] = ["doctor"]
from pptsn.cli.program import run
run()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr, run.returncode) == ("True True\n", "", 0)
