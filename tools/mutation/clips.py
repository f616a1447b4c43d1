"""`pptsn classify` on broken videos: a row for each, whatever it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.mutation.mutants import mutant
from tools.mutation.program import run_bounded

AT_ONCE = 100
_BOUND_S = 600.0
# In megabytes, all processes together.
_MOST_MB = 400


def try_clips(sources: Sequence[Path], model: Path, folder: Path, *, count: int, seed: int) -> Iterator[str]:
    """Yield a line for each fault found in `count` mutants of `sources`.

    folder: takes the mutants of one run at a time, and its outputs.
    """
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(count, first + AT_ONCE))
        yield from _try_batch(sources, model, folder, numbers, seed=seed)


def _try_batch(sources: Sequence[Path], model: Path, folder: Path, numbers: range, *, seed: int) -> Iterator[str]:
    mutants, rows = folder / "mutants", folder / "rows.jsonl"
    mutants.mkdir(exist_ok=True)
    rows.unlink(missing_ok=True)
    paths = []
    for number in numbers:
        source = sources[number % len(sources)]
        paths.append(mutants / f"{number}{source.suffix}")
        paths[-1].write_bytes(mutant(source, number, seed=seed))
    command: list[str | Path] = [sys.executable, "-m", "pptsn", "classify", *paths, "--model", model, "-o", rows]
    done = run_bounded(command, folder / "errors", bound_s=_BOUND_S)
    faults = [*done.faults(), *faults_of_rows(rows, paths)]
    if done.peak_mb > _MOST_MB:
        faults.append(f"took {done.peak_mb:.0f} MB")
    which = f"clips {numbers[0]} to {numbers[-1]}"
    yield from (f"{which}: {fault}" for fault in faults)
    for path in paths:
        path.unlink()
    print(f"{which}: code {done.code}, {done.peak_mb:.0f} MB", file=sys.stderr)


def faults_of_rows(rows: Path, paths: Sequence[Path]) -> Iterator[str]:
    """Yield what is wrong with the rows of a run: broken ones, and clips that have none or several."""
    try:
        found = [json.loads(line)["source"] for line in rows.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, KeyError) as error:
        yield f"rows cannot be read: {error}"
        return
    for path in paths:
        if found.count(str(path)) != 1:
            yield f"{path.name}: {found.count(str(path))} rows"
