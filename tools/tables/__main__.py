"""Measure what is missing of the table, and write it; see the package's own words for the call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pptsn.runtime.base.files import write_text
from tools.program import run, tell
from tools.tables.kept import Kept, Measured
from tools.tables.narrow import narrow_networks
from tools.tables.rows import PLAIN, Way, ways
from tools.tables.runs import STAGES, Bench
from tools.tables.table import markdown

RECIPE = "synthetic_hard"


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="The table, in Markdown.")],
    root: Annotated[Path, typer.Option(help="Where data, runs and what was measured lie.")] = Path(
        "output/tables"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Of each row.")] = 5,
    runs: Annotated[int | None, typer.Option(min=0, help="Do so many runs at most, and go on next time.")] = None,
    recipe: Annotated[str, typer.Option(help="A recipe, or the name of one that comes with pptsn.")] = RECIPE,
) -> None:
    """Train each way with each seed, unless that was done before, and write the table after each run."""
    bench, kept = Bench(root, recipe), Kept(root / "rows.jsonl")
    compared = ways(bench.teacher)
    bench.make_data()
    with narrow_networks(stages=STAGES):
        for number, (way, seed) in enumerate(_missing(bench, kept, compared, seeds)):
            if runs is not None and number >= runs:
                break
            if "distillation.teacher" in way.changes:
                tell(f"the teacher: {bench.make_teacher():.1f} %")
            found = list(bench.measure(way, seed))
            kept.add(found)
            tell("; ".join(f"{each.row}, seed {seed}: {each.percent:.1f} %" for each in found))
            _write(output, bench, kept, compared)
        _write(output, bench, kept, compared)


def _missing(bench: Bench, kept: Kept, compared: tuple[Way, ...], seeds: int) -> Iterator[tuple[Way, int]]:
    """Yield the runs that were not done, seed by seed, so that all rows have as many when it is stopped."""
    for seed in range(seeds):
        for way in compared:
            known = kept.rows(bench.terms(way))
            if any(seed not in known.get(row, {}) for row in way.rows):
                yield way, seed


def _write(output: Path, bench: Bench, kept: Kept, compared: tuple[Way, ...]) -> None:
    rows: dict[str, dict[int, Measured]] = {}
    for way in compared:
        rows |= {name: dict(found) for name, found in kept.rows(bench.terms(way)).items() if name in way.rows}
    names = [row for way in compared for row in way.rows]
    write_text(output, markdown(rows, names, plain=PLAIN.name))


if __name__ == "__main__":
    run(main)
