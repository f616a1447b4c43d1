"""What `--profile` tells of a training, and that it changes nothing of it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pptsn.cli.program import command_line
from pptsn.runtime.base.errors import DONE, PptsnError, UsageError
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.profiling.clock import spent_on
from pptsn.training.profiling.profile import Profile
from pptsn.training.profiling.window import Window
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe
from pptsn.training.trainer import Trainer, train
from pptsn.training.writing import RunWriter
from tests.training.narrow import NARROWING
from tests.training.ranks.jobs import COMMAND, run_ranks
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")

STEP = ["data", "copy", "forward", "backward", "optimizer"]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"))


def profiles_of(run: Path) -> list[dict[str, Any]]:
    return [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "profile"]


def profiled(recipe: Recipe, run: Path, window: Window, **options: Any) -> tuple[list[dict[str, Any]], str]:
    """Train by `recipe`; return the profiles of its metrics, and what was shown."""
    shown = io.StringIO()
    train(recipe, run, profile=window, display=Display(Console(file=shown, width=200)), **options)
    return profiles_of(run), shown.getvalue()


@pytest.fixture(scope="module")
def looked_at(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of two epochs of two steps whose last three are looked at, and what it has shown."""
    run = tmp_path_factory.mktemp("profiled") / "run"
    _, shown = profiled(tiny_recipe(lists, epochs=2), run, Window(1, 4))
    return run, shown


def names_in_trace(run: Path) -> list[str]:
    events = json.loads((run / "profile.json").read_text())["traceEvents"]
    return [str(event.get("name", "")).partition("[")[0] for event in events]


def test_all_of_the_time_is_told_by_parts(looked_at: tuple[Path, str]) -> None:
    run, shown = looked_at
    (record,) = profiles_of(run)
    parts = record.pop("parts_ms")
    assert record == {"kind": "profile", "first": 1, "end": 4, "step_ms": sum(parts.values())}
    assert [*parts] == [*STEP, "validation", "checkpoint", "other"]
    assert all(ms > 0 for ms in parts.values())
    table = shown[shown.index("profile of steps 1 to 3: ") :].splitlines()[1 : 1 + len(parts)]
    assert [re.split("  +", line.strip())[0] for line in table] == [
        "waiting for data",
        "copied to the device, normalised",
        "forward and loss",
        "backward",
        "optimizer",
        "validation",
        "checkpoint",
        "all else",
    ]
    assert sum(float(line.split()[-2]) for line in table) == pytest.approx(100, abs=0.5)


def test_the_trace_has_the_parts_of_each_step(looked_at: tuple[Path, str]) -> None:
    names = names_in_trace(looked_at[0])
    counts = {**dict.fromkeys(STEP, 3), "data": 3 + 1}  # at the end of an epoch, what fills no step
    assert {part: names.count(f"pptsn: {part}") for part in STEP} == counts
    assert names.count("pptsn: validation") == 1  # that of the second epoch comes after its last step
    assert any("conv2d" in name for name in names)


def test_the_weights_are_those_of_a_run_without(lists: Path, looked_at: tuple[Path, str], tmp_path: Path) -> None:
    plain = train(tiny_recipe(lists, epochs=2), tmp_path / "run")
    weights, expected = (read_pickle(path) for path in (looked_at[0] / "last.pdparams", plain.last_weights))
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], array) for name, array in expected.items())


def test_batches_of_a_step_are_all_in_it(lists: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(lists, epochs=1, batch_size=2, accumulate=2)
    (record,), _ = profiled(recipe, tmp_path / "run", Window(1, 2))
    assert (record["first"], record["end"]) == (1, 2)
    names = names_in_trace(tmp_path / "run")
    assert [names.count(f"pptsn: {part}") for part in STEP] == [2, 2, 2, 2, 1]


@pytest.mark.parametrize(
    ("window", "first"),
    [
        pytest.param(Window(3, 4), 3, id="later", marks=pytest.mark.slow),
        pytest.param(Window(1, 3), 2, id="in part"),
        pytest.param(Window(0, 2), None, id="over", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_looks_at_what_is_left(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: Window, first: int | None
) -> None:
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=1, step=1)
        with pytest.raises(PptsnError, match="interrupted in epoch 2"):
            train(tiny_recipe(lists, epochs=2), tmp_path / "run", profile=Window(2, 4))
    records, shown = profiled(tiny_recipe(lists, epochs=2), tmp_path / "run", window, resume=True)
    if first is None:
        assert records == []
        assert "--profile 0:2: these steps are done, the run goes on with step 2" in shown
        assert not (tmp_path / "run" / "profile.json").exists()
        return
    assert [(record["first"], record["end"]) for record in records] == [(first, window.end)]
    name = f"steps {first} to {window.end - 1}" if window.end - first > 1 else f"step {first}"
    assert f"profile of {name}: " in shown


@pytest.mark.parametrize("stage", [pytest.param("before", marks=pytest.mark.slow), "within"])
def test_a_training_that_ends_early_tells_what_it_has(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(Trainer, "_out_of_patience", lambda trainer: trainer.epoch == 1)
    window = Window(2, 4) if stage == "before" else Window(1, 4)
    records, shown = profiled(tiny_recipe(lists), tmp_path / "run", window)
    if stage == "before":
        assert records == []
        assert "--profile 2:4: the training ended before these steps" in shown
    else:
        assert [(record["first"], record["end"]) for record in records] == [(1, 2)]
        assert "validation" in records[0]["parts_ms"]
        assert "profile of step 1: " in shown


def test_steps_that_there_are_not_are_told_before_the_first(lists: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--profile: is 5:7, and the training ends with step 5; choose steps"):
        train(tiny_recipe(lists), tmp_path / "run", profile=Window(5, 7))
    assert not (tmp_path / "run").exists()


def test_a_run_that_takes_no_steps_has_none_to_look_at(lists: Path, tmp_path: Path) -> None:
    values = tiny_recipe(lists).model_dump()
    values["model"] |= {"head_only": True, "pretrained": "weights.pdparams"}
    with pytest.raises(UsageError, match=r"^--profile: looks at steps, and model\.head_only takes none; "):
        train(Recipe.model_validate(values), tmp_path / "run", profile=Window(0, 1))
    assert not (tmp_path / "run").exists()


def test_after_an_error_nothing_is_counted_any_more(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_in(monkeypatch, epoch=0, step=1)
    with pytest.raises(PptsnError, match="interrupted"):
        train(tiny_recipe(lists), tmp_path / "run", profile=Window(0, 2))
    block = spent_on("forward")
    assert not hasattr(block, "gen")  # no clock's own
    assert not (tmp_path / "run" / "profile.json").exists()


@pytest.mark.parametrize("text", ["20:10", "ten"])
def test_a_wrong_range_is_an_error_of_the_command_before_any_work(lists: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists).to_yaml())
    arguments = [str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "run"), "--profile", text]
    with pytest.raises(UsageError, match=rf"^--profile: is '?{text}'?"):
        command_line()(["train", *arguments], standalone_mode=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("read", [0, 1])
def test_a_step_that_an_epoch_does_not_fill_is_looked_at_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    """Of the step's two batches `read` come before the epoch ends, as where clips cannot be read."""
    begun: list[Tracer] = []

    class Tracer:
        def __init__(self, **options: object) -> None:
            self.runs = False
            begun.append(self)

        def start(self) -> None:
            assert not any(tracer.runs for tracer in begun)
            self.runs = True

        def stop(self) -> None:
            self.runs = False

        def export(self, path: str, format: str) -> None:
            Path(path).write_text("{}")

    monkeypatch.setattr(paddle.profiler, "Profiler", Tracer)
    shown, run = io.StringIO(), RunFolder(tmp_path)
    display = Display(Console(file=shown, width=200))
    with (
        RunWriter(run, is_first=True, title="") as writer,
        Profile(Window(1, 2), writer=writer, display=display, trace=run.trace) as profile,
    ):
        assert len([*profile.each_batch(iter(range(2 + read)), of=2, done=0)]) == 2 + read
        assert len([*profile.each_batch(iter(range(2)), of=2, done=1)]) == 2
        profile.count_step(2)
    assert [tracer.runs for tracer in begun] == [False, False]
    assert "profile of step 1: " in shown.getvalue()


@pytest.mark.slow
def test_of_ranks_the_first_tells_its_own_time_and_that_with_the_others(lists: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists, epochs=1, batch_size=2).to_yaml())
    arguments = ("train", tmp_path / "recipe.yaml", "-o", tmp_path / "run", "--profile", "0:2")
    (code, _, errors), (other, _, others) = run_ranks(*arguments, code=f"{NARROWING}{COMMAND}")
    assert (code, other) == (DONE, DONE), errors
    assert errors.count("profile of steps 0 to 1: ") == 1
    assert "profile" not in others
    records = [
        record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "profile"
    ]
    assert [(record["first"], record["end"]) for record in records] == [(0, 2)]
    assert [*records[0]["parts_ms"]] == ["data", "copy", "forward", "backward", "ranks", "optimizer", "other"]
    assert records[0]["parts_ms"]["ranks"] > 0
