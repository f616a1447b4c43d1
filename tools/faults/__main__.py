"""Gives ready-made failing inputs to the commands, and looks whether the right value or one clear line comes.

    ../shared/faults/make.sh FOLDER
    python -m tools.faults FOLDER ../shared/faults/hostile [--checkout OLDER] [--only WORD]...

Every file that `make.sh` makes, every crafted file beside it, and the servers there that misbehave.  With another
checkout the same command lines are run by its code: there most of them should fail.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pptsn.runtime.base.stopping import stoppable
from pptsn.runtime.base.temporary import temporary_folder
from tools.faults.cases import HOSTILE, MADE, Case
from tools.faults.servers import bursts, misbehaviour
from tools.mutation.program import Done, run_bounded, tracebacks
from tools.program import run
from tools.targets.tiny_model import write_tiny_model

_ROOT = Path(__file__).resolve().parents[2]
_BOUND_S = 60.0
# What moves a terminal's cursor, colours or title.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_LONGEST = 160


@dataclass(frozen=True)
class Places:
    """Folders: of files that were made, of crafted ones, for outputs; the model; the checkout that is tried."""

    made: Path
    hostile: Path
    output: Path
    model: Path
    checkout: Path

    def fill(self, word: str) -> str:
        """Return a word of a command with what it stands for."""
        for name, place in (("MADE", self.made), ("HOSTILE", self.hostile), ("OUT", self.output)):
            word = word.replace(f"{name}/", f"{place}/")
        return word.replace("MODEL", str(self.model))


def main(
    made: Annotated[Path, typer.Argument(help="What `make.sh` made.")],
    hostile: Annotated[Path, typer.Argument(help="The folder of crafted files and servers.")],
    checkout: Annotated[Path, typer.Option(help="Whose code runs.")] = _ROOT,
    only: Annotated[list[str] | None, typer.Option(help="Cases whose name has this; repeatable.")] = None,
) -> None:
    """Give failing inputs to the commands, and say what is wrong with what comes of them."""
    tried = wrong = 0
    with stoppable(), temporary_folder() as folder:
        model = write_tiny_model(folder / "model.onnx")
        places = Places(made.resolve(), hostile.resolve(), folder / "output", model, checkout.resolve())
        places.output.mkdir()
        chosen = [word.lower() for word in only or [""]]
        for case in _cases(places, chosen):
            tried += 1
            wrong += bool(try_case(case, places))
    print(f"{tried} cases, {wrong} wrong")
    sys.exit(bool(wrong))


def _cases(places: Places, chosen: list[str]) -> Iterator[Case]:
    """Yield the cases, those of servers while their server runs."""

    def wanted(case: Case) -> bool:
        return any(word in case.name.lower() for word in chosen)

    yield from filter(wanted, (*MADE, *HOSTILE))
    for served in (misbehaviour, bursts):
        yield from served(places.made, places.hostile, wanted)


def try_case(case: Case, places: Places) -> list[str]:
    """Run a case, print what came, and return what is wrong with it, a line each."""
    rows, errors, printed = (places.output / name for name in ("rows.jsonl", "errors", "printed"))
    rows.unlink(missing_ok=True)
    began_s = time.monotonic()
    done = run_bounded(
        [sys.executable, "-m", "pptsn", *map(places.fill, case.words)],
        errors,
        bound_s=_BOUND_S,
        stop_s=case.stop_s,
        printed=printed,
        folder=places.made,
        environment={"PYTHONPATH": str(places.checkout)},
    )
    took_s = time.monotonic() - began_s
    files = [path.read_bytes().decode(errors="backslashreplace") for path in (printed, rows) if path.exists()]
    found = list(faults(case, done, files))
    word = "WRONG" if found else "ok"
    print(f"{word:5} {case.name}: code {done.code}, {took_s:.1f} s, {done.peak_mb:.0f} MB", flush=True)
    for line in (*found, *_shown(case, done.errors.splitlines(), files)):
        print(f"      {ascii(line)[1:-1][:_LONGEST]}", flush=True)
    return found


def faults(case: Case, done: Done, files: list[str]) -> Iterator[str]:
    """Yield what is wrong with how a case ended.  files: what it printed on standard output and wrote."""
    if done.hung:
        yield "did not end"
    elif done.code not in case.codes:
        yield f"ended with code {done.code}, expected {' or '.join(map(str, case.codes))}"
    yield from tracebacks(done.errors)
    if done.peak_mb > case.most_mb:
        yield f"took {done.peak_mb:.0f} MB, expected {case.most_mb:.0f} at most"
    lines = [line for text in (done.errors, *files) for line in text.split("\n")]
    if any(_CONTROL.search(line) for line in lines):
        yield "characters that control a terminal came through"
    for pattern, numbers in case.says.items():
        count = sum(bool(re.search(pattern, line)) for line in lines)
        if count not in numbers:
            yield f"{count} lines have {pattern!r}, expected {numbers[0]} to {numbers[-1]}"


def _shown(case: Case, errors: list[str], files: list[str]) -> list[str]:
    """Return a line for each thing that a case should say, and those that were not foreseen on standard error."""
    lines = [*errors, *(line for text in files for line in text.split("\n"))]
    told = [next((line for line in lines if re.search(pattern, line)), "") for pattern in case.says]
    return [line for line in dict.fromkeys([*told, *errors[:2]]) if line]


if __name__ == "__main__":
    run(main)
