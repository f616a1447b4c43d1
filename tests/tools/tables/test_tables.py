"""The tables on training: what is kept, what is missing, what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pptsn.training.network import resnet_vd
from pptsn.training.synthetic.dataset import SyntheticSettings
from tools.tables import __main__ as program
from tools.tables import int8, runs
from tools.tables.kept import Kept, Measured
from tools.tables.narrow import narrow_networks
from tools.tables.rows import PLAIN, Way, ways
from tools.tables.runs import Bench
from tools.tables.table import markdown


def measured(row: str, seed: int, right: int, *, terms: str = "t") -> Measured:
    return Measured(terms, row, seed, right, 200, 30.0)


def test_what_was_measured_is_kept_under_its_terms_and_half_a_line_is_passed_over(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "folder" / "rows.jsonl")
    assert dict(kept.rows("t")) == {}
    kept.add([measured("a", 0, 150), measured("b", 0, 140)])
    kept.add([measured("a", 1, 160), measured("a", 0, 10, terms="older")])
    with open(tmp_path / "folder" / "rows.jsonl", "a") as stream:
        stream.write('{"terms": "t", "ro')
    assert {
        row: {seed: each.percent for seed, each in found.items()} for row, found in kept.rows("t").items()
    } == {
        "a": {0: 75.0, 1: 80.0},
        "b": {0: 70.0},
    }


def test_the_table_has_mean_spread_and_the_gain_by_pairs_of_one_seed() -> None:
    rows = {
        "alone": {seed: measured("alone", seed, right) for seed, right in enumerate((150, 160, 140))},
        "more": {seed: measured("more", seed, right) for seed, right in enumerate((152, 164, 146))},
    }
    *_, alone, more, missing = markdown(rows, ["alone", "more", "none"], plain="alone").splitlines()
    assert alone == "| alone | 75.0 (5.0; 70.0 to 80.0) |  | 3 |"
    # Of differences of 1, 2 and 3 points: t of 2 degrees of freedom, 4.30, times 1 / sqrt(3).
    assert more == "| more | 77.0 (4.6; 73.0 to 82.0) | +2.0 (-0.5 to +4.5) | 3 |"
    assert missing == "| none | not measured yet |  | 0 |"


def test_runs_are_missing_until_all_their_rows_are_there_seed_by_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, both = Kept(tmp_path / "rows.jsonl"), (Way("a", {}, {"a": "last", "b": "average"}), Way("c"))
    monkeypatch.setattr(Bench, "terms", lambda self, way: "t")
    bench = Bench(tmp_path, "unused")

    def missing() -> list[tuple[str, int]]:
        return [(way.name, seed) for way, seed in program._missing(bench, kept, both, 2)]

    assert missing() == [("a", 0), ("c", 0), ("a", 1), ("c", 1)]
    kept.add([measured("a", 0, 1), measured("c", 1, 1)])
    assert missing() == [("a", 0), ("c", 0), ("a", 1)]
    kept.add([measured("b", 0, 1)])
    assert missing() == [("c", 0), ("a", 1)]


def test_rows_have_names_of_their_own_and_every_way_is_a_recipe(tmp_path: Path) -> None:
    compared = ways(tmp_path / "teacher.pdparams")
    names = [row for way in compared for row in way.rows]
    assert len(set(names)) == len(names)
    bench = Bench(tmp_path, program.RECIPE)
    assert len({bench.terms(way) for way in compared}) == len(compared)
    assert {bench.recipe_of(way, 3).seed for way in compared} == {3}


def test_networks_are_narrow_in_the_block_alone() -> None:
    before = (resnet_vd.STAGE_WIDTHS, dict(resnet_vd.BLOCK_COUNTS))
    with narrow_networks():
        assert resnet_vd.STAGE_WIDTHS[-1] < before[0][-1]
        assert resnet_vd.BLOCK_COUNTS[18] != before[1][18]
    assert before == (resnet_vd.STAGE_WIDTHS, resnet_vd.BLOCK_COUNTS)


@pytest.mark.slow
def test_rows_of_one_run_are_measured_once_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = SyntheticSettings(train_per_class=2, val_per_class=1, test_per_class=1, hard=True)
    monkeypatch.setattr(runs, "SETTINGS", few)
    short = Way(PLAIN.name, {**PLAIN.changes, "optimizer.epochs": 1}, PLAIN.rows)
    monkeypatch.setattr(program, "ways", lambda teacher: (short,))
    table = tmp_path / "table.md"
    for seeds in (1, 1, 2):
        program.main(table, root=tmp_path / "bench", seeds=seeds, runs=None, recipe=program.RECIPE)
        lines = table.read_text().splitlines()[2:]
        assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(PLAIN.rows)
        assert {line.split(" | ")[-1].removesuffix(" |") for line in lines} == {str(seeds)}
    kept = (tmp_path / "bench" / "rows.jsonl").read_text().splitlines()
    assert len(kept) == 2 * len(PLAIN.rows)


def test_the_table_of_int8_measures_what_is_missing_and_says_what_each_row_is_more_than_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def measure(steps: int8.Steps) -> Iterator[tuple[str, int, int]]:
        steps.folder.mkdir()
        done.append(steps.seed)
        for place, row in enumerate(int8.ROWS):
            yield row, 60 + steps.seed + place, 100

    monkeypatch.setattr(Bench, "make_data", lambda bench: None)
    monkeypatch.setattr(int8.Steps, "measure", measure)
    for seeds in (1, 3):
        int8.main(tmp_path / "int8.md", root=tmp_path, seeds=seeds)
    assert done == [0, 1, 2]
    rows = [line.split(" | ") for line in (tmp_path / "int8.md").read_text().splitlines()[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == list(int8.ROWS)
    assert [row[2][:4].strip() for row in rows] == ["", "+1.0", "+2.0", "+3.0", "+4.0"]
