"""What a recipe may cost: documents whose aliases stand for anything from nothing to more than there is memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.training.recipe import load_recipe
from pptsn.training.yaml_text import MOST_CHARACTERS, MOST_VALUES, read_yaml

DATA = "data: {train: t.txt, val: v.txt}\n"
DEPTHS = (0, 1, 5, 12, 14, 40, 300)


def _dag(depth: int) -> str:
    """Return a list that holds the one before it twice, and so on."""
    return "a0: &b0 [x]\n" + "".join(f"a{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n" for n in range(1, depth + 1))


def _merges(depth: int) -> str:
    """Return a mapping that is merged of the one before it, twice, and so on."""
    merges = (f"a{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}], k{n}: 1}}\n" for n in range(1, depth + 1))
    return "a0: &b0 {k: 1}\n" + "".join(merges)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("document", [_dag, _merges])
def test_what_aliases_and_merge_keys_stand_for_is_counted_before_it_is_made(document, depth: int) -> None:
    started = time.process_time()
    if depth <= 5:
        assert len(read_yaml(document(depth))) == depth + 1
    else:
        with pytest.raises(ValueError, match=f"stands for more than {MOST_VALUES} values|nested too deeply"):
            read_yaml(document(depth))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("key", ["seed", "data", "unknown", "model"])
def test_a_value_of_many_parts_is_one_short_line_wherever_it_stands(tmp_path: Path, key: str, depth: int) -> None:
    value = "&b0 [x]"
    for level in range(1, depth + 1):
        value = f"&b{level} [{value}, *b{level - 1}]"
    (tmp_path / "r.yaml").write_text(f"{DATA if key != 'data' else ''}{key}: {value}\n")
    with pytest.raises(UsageError) as caught:
        load_recipe(tmp_path / "r.yaml")
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("times", [0, 1, 2])
def test_merges_of_recipes_as_people_write_them_are_read(tmp_path: Path, times: int) -> None:
    # An alias may be used as often as a recipe has sections.
    used = "".join(f"{name}: {{<<: *base}}\n" for name in ("evaluation", "augmentation")[:times])
    text = f"{DATA}optimizer: &base {{}}\n{used}model: {{depth: 18}}\n"
    (tmp_path / "r.yaml").write_text(text)
    assert load_recipe(tmp_path / "r.yaml").model.depth == 18


def test_a_value_inside_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="an alias in it stands for what it is in"):
        read_yaml("a: &a [1, {b: *a}]")


@pytest.mark.parametrize("size", [0, 1000, MOST_CHARACTERS, MOST_CHARACTERS + 1, 10 * MOST_CHARACTERS])
def test_the_length_of_a_recipe_is_bounded(tmp_path: Path, size: int) -> None:
    text = DATA + "#" * (size - len(DATA)) if size else DATA
    (tmp_path / "r.yaml").write_text(text)
    if size <= MOST_CHARACTERS:
        assert load_recipe(tmp_path / "r.yaml").data.train == Path("t.txt")
        return
    with pytest.raises(PptsnError, match=r"it has .* expected 100000 at most|it has more than 400000 bytes"):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize("value", ["0x" + "f" * 16, "0x" + "f" * 5000, "1" * 5000, "-1", ".nan", ".inf", "1e999"])
@pytest.mark.parametrize(
    "key",
    ["seed", "model.crop_size", "model.classes", "model.num_seg", "optimizer.epochs", "optimizer.base_rate",
     "optimizer.batch_size", "data.workers", "evaluation.segments", "log_every"],
)  # fmt: skip
def test_numbers_without_bounds_are_refused(tmp_path: Path, key: str, value: str) -> None:
    (tmp_path / "r.yaml").write_text(DATA)
    if key == "optimizer.base_rate" and value == "0x" + "f" * 16:  # much, and a number
        return
    with pytest.raises(UsageError) as caught:
        load_recipe(tmp_path / "r.yaml", [f"{key}={value}"])
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_the_crafted_recipe_beside_the_project_is_refused(shared_dir: Path) -> None:
    path = shared_dir / "faults" / "hostile" / "yaml" / "dag_seed.yaml"
    if not path.is_file():
        pytest.skip(f"{path}: is not there")
    with pytest.raises(UsageError, match="stands for more than"):
        load_recipe(path)
