"""What must hold of a command that was ended: codes, rows, and nothing left behind."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from pptsn.runtime.base.errors import DONE, EXIT_CODES, FAILED
from tools.endings.commands import Command
from tools.endings.ending import CLOSED_PIPE, FULL_DISK, SIGNALS, Ended, Place
from tools.endings.whole import broken_files

# 3 s on a machine that is not busy.
_SOON_S = 6.0
_MOST_ERRORS = 4
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def complaints(command: Command, place: Place, ending: str, ended: Ended) -> list[str]:
    """Return what is wrong with how `command` ended, a line each; empty: all is as it should be."""
    found = [*_of_code(command, ending, ended), *_of_errors(ending, ended), *broken_files(place.root)]
    found += [line for name in command.rows for line in _of_rows(_file_of(name, place), name, ending, ended)]
    found += [f"a process is left: {line}" for line in ended.survivors]
    found += [f"shared memory is left: {name}" for name in ended.segments]
    if ending in SIGNALS and not ended.came_too_late and ended.took_s > _SOON_S:
        found.append(f"took {ended.took_s:.1f} s to end")
    if ending != "SIGKILL":
        found += leftovers(place)
    return found


def leftovers(place: Place) -> list[str]:
    """Return what temporary files there are, a line each."""
    hidden = [path for path in place.root.rglob(".*") if not path.is_relative_to(place.temporary)]
    found = [*hidden, *place.temporary.iterdir()]
    return [f"left behind: {path.relative_to(place.root)}" for path in found]


def _of_code(command: Command, ending: str, ended: Ended) -> Iterator[str]:
    expected = {DONE}
    if ending == "SIGKILL" and not ended.came_too_late:
        expected = {-signal.SIGKILL}
    elif ending in SIGNALS and not ended.came_too_late:
        # Before Python has begun, and after it has ended, the signal itself ends the process: for shells the same.
        # A stream ends as if by itself.
        own = {DONE} if command.heeds else {command.stopped} - {None}
        expected = {128 + SIGNALS[ending], -SIGNALS[ending], *own}
    elif ending in (CLOSED_PIPE, FULL_DISK):
        expected = {DONE, FAILED}
    if ended.code not in expected:
        meaning = EXIT_CODES.get(ended.code, "not in the table")
        yield f"exit code {ended.code} ({meaning}), expected {' or '.join(map(str, sorted(expected)))}"


def _of_errors(ending: str, ended: Ended) -> Iterator[str]:
    if "Traceback" in ended.errors:
        yield f"a traceback: {ended.errors.strip().splitlines()[-1][:200]}"
    errors = [line for line in ended.errors.splitlines() if line.startswith("pptsn: error: ")]
    if len(errors) > _MOST_ERRORS:
        yield f"{len(errors)} lines of errors: {errors[0]}"
    # A reader that has gone is no failure to speak of.
    if ended.code == FAILED and not errors and ended.errors.strip() and ending != CLOSED_PIPE:
        yield f"no line says why it failed: {ended.errors.strip().splitlines()[-1][:200]}"


def _file_of(name: str, place: Place) -> Path:
    return place.printed if name in ("-", "tabs") else place.output / name


def _of_rows(path: Path, kind: str, ending: str, ended: Ended) -> Iterator[str]:
    """Complain about lines that are not whole, or no more there."""
    printed = kind in ("-", "tabs")
    if not path.is_file() or (printed and ending == CLOSED_PIPE):
        return
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        yield f"{path.name} ends within a line: {text[-40:]!r}"
    for line in text.splitlines():
        if not _is_whole(line, kind):
            yield f"{path.name} has a broken line: {line[:60]!r}"
            return
    if path.stat().st_size < ended.before.get(path.name, 0):
        yield f"{path.name} has lost lines: {path.stat().st_size} bytes, {ended.before[path.name]} before the end"


def _is_whole(line: str, kind: str) -> bool:
    if kind == "tabs":
        return line.count("\t") in (3, 4)
    if kind.endswith(".csv"):
        return line.count(",") >= 10
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
