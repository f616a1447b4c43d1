"""Ends commands at random moments, in every way there is, and looks at what is left.

    python -m tools.endings [--seed N] [--only WORD]... [--ending NAME]... [--rounds N]

Each of the commands is run once undisturbed, to learn how long it takes and how much it writes; then it is
ended by Ctrl-C, SIGTERM and SIGKILL, by a reader of its standard output that leaves, and by a disk that fills.
Demanded are the documented exit codes, rows that are whole and as many as there were, files that are whole or
not there, and no temporary file, folder or process left; after SIGKILL, those that are left are gone once the
command was run again. Full disks need the right to mount a small file system; without it they are left out,
which is said.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pptsn.runtime.base.errors import DONE
from pptsn.runtime.base.stopping import stoppable
from pptsn.runtime.base.temporary import temporary_folder
from tools.endings.checks import complaints, leftovers
from tools.endings.commands import COMMANDS, Command
from tools.endings.ending import CLOSED_PIPE, ENDINGS, FULL_DISK, SIGNALS, Ended, Place, run, small_disk
from tools.endings.inputs import ADDRESS, make_inputs
from tools.endings.serving import serving
from tools.program import run as run_program
from tools.program import tell

# A command takes this long to begin; ended earlier it has done nothing.  Late moments often are too late.
_EARLIEST_S, _LATEST = 0.2, 0.9
_LEAST_DISK_KB = 8


def main(
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Commands whose name has this; repeatable.")] = None,
    ending: Annotated[list[str] | None, typer.Option(help="Ways to end; all if not given; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each command is ended in each way.")] = 1,
) -> None:
    """End commands in every way, and say what is wrong with what they leave."""
    chosen = [command for command in COMMANDS if not only or any(word in command.name for word in only)]
    with stoppable(), temporary_folder() as folder:
        wrong = end_all(folder, chosen, ending or list(ENDINGS), rng=random.Random(seed), rounds=rounds)
    for line in wrong:
        print(line)
    print(f"{len(chosen)} commands, {len(wrong)} complaints")
    sys.exit(1 if wrong else 0)


def end_all(
    folder: Path, commands: list[Command], endings: list[str], *, rng: random.Random, rounds: int = 1
) -> list[str]:
    """End each of `commands` in each of `endings`, `rounds` times, in `folder`; return what was wrong."""
    inputs = folder / "inputs"
    inputs.mkdir()
    make_inputs(inputs)
    with serving(inputs) as address:
        (inputs / ADDRESS).write_text(address)
        return [
            f"{command.name}, {line}"
            for command in commands
            for line in _Trials(command, inputs, folder / "run", rng).all(endings, rounds)
        ]


class _Trials:
    """The runs of one command, each in a fresh `folder`."""

    def __init__(self, command: Command, inputs: Path, folder: Path, rng: random.Random) -> None:
        self._command, self._inputs, self._place, self._rng = command, inputs, Place(folder), rng
        self._took_s = self._wrote_kb = self._printed = 0.0
        self._lines: dict[str, int] = {}

    def all(self, endings: list[str], rounds: int) -> list[str]:
        found = [f"undisturbed: {line}" for line in self._undisturbed()]
        for ending in endings:
            for _ in range(rounds):
                found += [f"{ending}: {line}" for line in self._ended(ending)]
        return found

    def _undisturbed(self) -> list[str]:
        self._make_place()
        ended = run(self._command, self._inputs, self._place)
        files = [path for path in self._place.output.rglob("*") if path.is_file() and not path.is_symlink()]
        self._took_s, self._printed = ended.took_s, self._place.printed.stat().st_size
        self._wrote_kb = sum(path.stat().st_size for path in files) / 1000
        self._lines = self._count_lines()
        tell(f"{self._command.name}: {self._took_s:.1f} s, {self._wrote_kb:.0f} kB")
        return complaints(self._command, self._place, "", ended)

    def _ended(self, ending: str) -> list[str]:
        self._make_place()
        if ending == FULL_DISK:
            return self._with_full_disk()
        after = self._rng.uniform(0, self._printed) if ending == CLOSED_PIPE else self._moment_s()
        ended = run(self._command, self._inputs, self._place, ending=ending, after=after)
        self._tell(ending, f"{after:.2f}", ended)
        found = self._complaints(ending, ended)
        if ending == "SIGKILL" and leftovers(self._place):
            run(self._command, self._inputs, self._place, again=True)
            found += [f"run again: {line}" for line in leftovers(self._place)]
        return found

    def _with_full_disk(self) -> list[str]:
        size = max(_LEAST_DISK_KB, round(self._rng.uniform(0, self._wrote_kb)))
        try:
            with small_disk(self._place.output, kilobytes=size):
                ended = run(self._command, self._inputs, self._place, ending=FULL_DISK)
                self._tell(FULL_DISK, f"{size} kB", ended)
                return self._complaints(FULL_DISK, ended)
        except subprocess.CalledProcessError as error:
            tell(f"{FULL_DISK}: left out ({error.stderr.decode().strip()})")
            return []

    def _complaints(self, ending: str, ended: Ended) -> list[str]:
        """Return what is wrong; a command that says it is done has written all that it writes undisturbed."""
        found = complaints(self._command, self._place, ending, ended)
        unread = self._place.printed.name if ending == CLOSED_PIPE else ""
        stopped = self._command.heeds and ending in SIGNALS
        for name, count in ({} if ended.code or stopped else self._count_lines()).items():
            if count < self._lines.get(name, 0) and name != unread:
                found.append(f"{name} has {count} of {self._lines[name]} lines, and the exit code is {DONE}")
        return found

    def _count_lines(self) -> dict[str, int]:
        """Return the lines of each file of rows."""
        files = [self._place.output / name for name in self._command.rows if name not in ("-", "tabs")]
        files = [path for path in (*files, self._place.printed) if path.is_file()]
        return {path.name: path.read_bytes().count(b"\n") for path in files}

    def _moment_s(self) -> float:
        return self._rng.uniform(_EARLIEST_S, max(_EARLIEST_S, _LATEST * self._took_s))

    def _tell(self, ending: str, when: str, ended: Ended) -> None:
        late = ", too late" if ended.came_too_late else ""
        tell(f"  {ending} after {when}: code {ended.code} in {ended.took_s:.1f} s{late}")

    def _make_place(self) -> None:
        shutil.rmtree(self._place.root, ignore_errors=True)
        self._place.make()
        if self._command.changes:
            shutil.copytree(
                self._inputs / self._command.changes, self._place.root / self._command.changes, symlinks=True
            )


if __name__ == "__main__":
    run_program(main)
