import errno
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError, PptsnError, UsageError
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.checkpoint.run_folder import WEIGHTS_NAME, RunFolder
from pptsn.training.network.weights import read_checkpoint, weights_digest
from pptsn.training.recipe import Recipe, parse_recipe
from tests.models import tiny_spec
from tests.training.checkpoints import named_state
from tests.training.dying import die_at
from tests.training.states import state_after

RECIPE = parse_recipe({"data": {"train": "a", "val": "b"}}, source="x")
OTHER = parse_recipe({"data": {"train": "a", "val": "b"}, "seed": 4, "optimizer": {"epochs": 7}}, source="x")


def _commit(run: RunFolder, epoch: int, *, best: int, averaged: bool = False) -> None:
    """A checkpoint whose numbers all say its epoch; where they are averages, steps go on with their negatives."""
    weights = named_state(value=epoch)
    unaveraged = named_state(value=-epoch) if averaged else {}
    digest = weights_digest(unaveraged) if averaged else ""
    state = state_after(epoch, best_epoch=best, unaveraged_digest=digest)
    spec = ModelSpec(depth=18, labels=("a", "b", "c"), weights_digest=weights_digest(weights))
    velocities = {"v": np.full(3, epoch, np.float32)}
    run.commit(state, weights=weights, unaveraged=unaveraged, optimizer=velocities, spec=spec)


def _epoch_of(weights) -> int:
    return int(read_checkpoint(weights).arrays["head.fc.weight"][0, 0])


@pytest.fixture
def run(tmp_path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    assert run.open(RECIPE, resume=False) is None
    return run


def test_a_checkpoint_comes_back_whole(run):
    _commit(run, 1, best=1)
    resumption = RunFolder(run.root).open(RECIPE, resume=True)
    assert resumption.state == state_after(1)
    assert weights_digest(resumption.weights.arrays) == weights_digest(named_state(value=1))
    assert np.array_equal(resumption.optimizer["v"], np.ones(3))


def test_a_checkpoint_of_before_arithmetic_and_averages_were_recorded_comes_back(run):
    _commit(run, 1, best=1)
    (file,) = run.root.glob("checkpoints/*/state.json")
    state = json.loads(file.read_text())
    assert state.pop("arithmetic") == {}
    assert state.pop("unaveraged_digest") == ""
    file.write_text(json.dumps(state))
    assert RunFolder(run.root).open(RECIPE, resume=True).state.epoch == 1


def test_what_steps_go_on_with_comes_back_beside_the_averages(run):
    _commit(run, 2, best=2, averaged=True)
    resumption = RunFolder(run.root).open(RECIPE, resume=True)
    assert weights_digest(resumption.weights.arrays) == weights_digest(named_state(value=2))
    assert weights_digest(resumption.unaveraged.arrays) == weights_digest(named_state(value=-2))
    assert _epoch_of(run.last_weights) == 2


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_averages_without_what_steps_go_on_with_are_refused(run, damage):
    _commit(run, 2, best=2, averaged=True)
    (weights,) = run.root.rglob("weights.unaveraged.pdparams")
    if damage == "missing":
        weights.unlink()
    else:
        shutil.copy(weights.with_name(WEIGHTS_NAME), weights)
    with pytest.raises(ModelError, match=r"weights\.unaveraged\.pdparams.*; remove this folder to go on"):
        RunFolder(run.root).open(RECIPE, resume=True)


def test_best_and_last_are_kept_and_no_others(run):
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        _commit(run, epoch, best=best)
    assert (_epoch_of(run.best_weights), _epoch_of(run.last_weights)) == (2, 4)
    folders = sorted(path.name for path in (run.root / "checkpoints").iterdir())
    assert folders == ["epoch-0002", "epoch-0004"]
    moved = run.root.with_name("moved")
    run.root.rename(moved)
    assert _epoch_of(RunFolder(moved).best_weights) == 2


def test_a_folder_in_use_is_not_overwritten(run):
    with pytest.raises(UsageError, match="is not empty; choose another --output, or go on with --resume"):
        RunFolder(run.root).open(RECIPE, resume=False)


def test_a_second_training_is_refused_while_the_first_runs(run):
    def second() -> None:
        with RunFolder(run.root).locked():
            pass

    with run.locked():
        assert RunFolder(run.root).open(RECIPE, resume=True) is None
        with pytest.raises(
            UsageError, match=rf"another training runs in it \(process {os.getpid()} on .*\); wait"
        ):
            second()
    second()
    assert sorted(path.name for path in run.root.iterdir()) == ["recipe.yaml"]


@pytest.mark.parametrize(
    "error", [InputError("weights.pdparams", "cannot be read"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("written", [(), ("metrics.jsonl",), ("metrics.jsonl", "metrics.png")])
def test_a_start_that_fails_before_its_first_step_leaves_nothing(tmp_path, written, existed, error):
    run = RunFolder(tmp_path / "output" / "mine" / "run")
    if existed:
        run.root.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(type(error)), run.locked():
        run.open(RECIPE, resume=False)
        for name in written:
            (run.root / name).touch()
        raise error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_fails_after_a_step_stays(tmp_path):
    run = RunFolder(tmp_path / "run")
    with pytest.raises(InputError), run.locked():
        run.open(RECIPE, resume=False)
        run.metrics.write_text("{}\n")
        raise InputError("clip.mp4", "cannot be read")
    assert sorted(path.name for path in run.root.iterdir()) == ["metrics.jsonl", "recipe.yaml"]


def test_a_failed_resumption_takes_nothing_away(run):
    _commit(run, 1, best=1)
    before = sorted(run.root.rglob("*"))
    again = RunFolder(run.root)
    with pytest.raises(InputError), again.locked():
        again.open(RECIPE, resume=True)
        raise InputError("clip.mp4", "cannot be read")
    assert sorted(run.root.rglob("*")) == before


def test_the_lock_of_a_killed_training_keeps_nobody_out(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("process 1 on this machine")
    run = RunFolder(tmp_path / "run")
    with run.locked():
        assert run.open(RECIPE, resume=False) is None
    assert sorted(path.name for path in run.root.iterdir()) == ["recipe.yaml"]


def test_a_folder_that_cannot_be_locked_is_named(tmp_path):
    (tmp_path / "file").touch()
    for place, cause in (("file", "is a file"), ("file/run", "cannot be written")):
        with pytest.raises(InputError, match=cause), RunFolder(tmp_path / place).locked():
            pass


def test_a_folder_without_a_run_is_not_resumed(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UsageError, match="no training run"):
        RunFolder(tmp_path).open(RECIPE, resume=True)
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "holiday.jpg").open(RECIPE, resume=True)


def test_resuming_what_has_not_begun_is_a_start(tmp_path):
    assert RunFolder(tmp_path / "run").open(RECIPE, resume=True) is None
    assert RunFolder(tmp_path / "run").open(RECIPE, resume=True) is None


def test_another_recipe_is_refused_by_naming_what_changed(run):
    with pytest.raises(UsageError) as caught:
        RunFolder(run.root).open(OTHER, resume=True)
    assert "optimizer.epochs (100 → 7), seed (0 → 4)" in str(caught.value)


def _flip_a_bit_of_a_weight(path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(np.float32(1).tobytes())] ^= 1
    path.write_bytes(content)


def _train_by_nobody(path) -> None:
    path.write_text(path.read_text().replace('"ranks": 1', '"ranks": 0'))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "state.json").unlink(),
        lambda folder: (folder / "state.json").write_text('{"epoch": 1}'),
        lambda folder: _train_by_nobody(folder / "state.json"),
        lambda folder: (folder / "weights.pdopt").write_bytes(b"\x80"),
        lambda folder: (folder / "weights.spec.json").write_text("{}"),
        lambda folder: _flip_a_bit_of_a_weight(folder / WEIGHTS_NAME),
    ],
    ids=["no state", "state", "ranks", "velocities", "spec", "weights"],
)
def test_a_damaged_checkpoint_is_one_line(run, damage):
    _commit(run, 1, best=1)
    damage(run.root / "checkpoints" / "epoch-0001")
    with pytest.raises(ModelError, match="epoch-0001: ") as caught:
        RunFolder(run.root).open(RECIPE, resume=True)
    assert "\n" not in str(caught.value)


def _die_at(call: int, root, recipe: Recipe, epoch: int) -> None:
    """Commit `epoch`, and end as by SIGKILL just before the `call`-th change to the file system."""
    run = RunFolder(root)
    run.open(recipe, resume=True)
    die_at(call, ("rename", "replace", "fsync", "symlink", "mkdir", "unlink", "rmdir"))
    _commit(run, epoch, best=epoch)
    os._exit(0)


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_commit_leaves_the_old_or_the_new_checkpoint(run):
    _commit(run, 1, best=1)
    start = run.root.with_name("start")
    shutil.copytree(run.root, start, symlinks=True)
    found = []
    for call in range(100):  # more than a commit has
        shutil.rmtree(run.root)
        shutil.copytree(start, run.root, symlinks=True)
        child = multiprocessing.get_context("fork").Process(target=_die_at, args=(call, run.root, RECIPE, 2))
        child.start()
        child.join(30)
        for weights in (run.best_weights, run.last_weights):
            assert _epoch_of(weights) in (1, 2)
        for folder in run.root.glob("checkpoints/epoch-*"):
            assert len(list(folder.iterdir())) == 4, "a checkpoint that is not whole"
        resumption = RunFolder(run.root).open(RECIPE, resume=True)
        found.append(resumption.state.epoch)
        assert _epoch_of(run.last_weights) == resumption.state.epoch
        assert _epoch_of(run.best_weights) == resumption.state.best_epoch
        assert not list(run.root.rglob(".*")), "left over"
        if child.exitcode == 0:
            break
        assert child.exitcode == 9
    assert child.exitcode == 0, "never reached the end"
    assert found == sorted(found)
    assert set(found) == {1, 2}
    assert len(found) > 10


def _refused(source: object, target: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (None, None),
        ("gone", r"cannot be read \(no such file or directory\)"),
        ("damaged", "is no JSON"),
        ("of other weights", "is of other weights than these by now; report on the run again"),
        ("unwritable", r"cannot be written \(Read-only file system\)"),
    ],
)
def test_a_temperature_goes_into_the_spec_of_the_weights_it_was_found_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: str | None, message: str | None
) -> None:
    path, spec = tmp_path / "best.spec.json", tiny_spec()
    path.write_text("{" if spoiled == "damaged" else spec.to_json())
    digest = "1" * 64 if spoiled == "of other weights" else spec.weights_digest
    if spoiled == "gone":
        path.unlink()
    if spoiled == "unwritable":
        monkeypatch.setattr(os, "replace", _refused)
    if message is None:
        RunFolder(tmp_path).keep_temperature(2.5, digest=digest)
        assert ModelSpec.from_json(path.read_text(), source=path).temperature == 2.5
        return
    with pytest.raises(PptsnError, match=message):
        RunFolder(tmp_path).keep_temperature(2.5, digest=digest)
    assert spoiled in ("gone", "damaged") or path.read_text() == spec.to_json()
