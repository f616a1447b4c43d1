import io
import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.engines.paddle.library import arithmetic
from pptsn.training.checkpoint.run_folder import WEIGHTS_NAME, RunFolder
from pptsn.training.data.loader import batch_order
from pptsn.training.learning.learner import Learner
from pptsn.training.learning.optimizer import learning_rate
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from pptsn.training.validation import Validation
from tests.training.runs import interrupt_in, make_lists, start_program, start_training, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(tmp_path_factory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def uninterrupted(lists, tmp_path_factory) -> TrainingResult:
    """A run of three epochs from start to end."""
    return train(tiny_recipe(lists), tmp_path_factory.mktemp("uninterrupted") / "run")


def _changed(recipe: Recipe, section: str, **values: object) -> Recipe:
    content = recipe.model_dump()
    content[section] = {**content[section], **values}
    return parse_recipe(content, source="the test's recipe")


def _digest(weights: Path) -> str:
    return weights_digest(read_checkpoint(weights).arrays)


def _without_times(path: Path) -> list[dict]:
    times = ("duration_s", "clips_per_s")
    return [{k: v for k, v in record.items() if k not in times} for record in read_metrics(path)]


def test_a_run_leaves_weights_metrics_and_a_picture(uninterrupted):
    folder = uninterrupted.last_weights.parent
    assert uninterrupted.epochs == 3
    assert read_checkpoint(uninterrupted.last_weights, depth=18, classes=3).kind == "full"
    spec = json.loads(uninterrupted.best_weights.with_suffix(".spec.json").read_text())
    assert (spec["short_side"], spec["crop_size"], spec["num_seg"]) == (36, 32, 2)
    assert spec["labels"] == ["class_0", "class_1", "class_2"]
    assert spec["weights_digest"] == _digest(uninterrupted.best_weights)
    assert (folder / "metrics.png").stat().st_size > 10_000


def test_the_metrics_tell_every_iteration_and_epoch(uninterrupted):
    records = _without_times(uninterrupted.last_weights.parent / "metrics.jsonl")
    assert [record["kind"] for record in records] == ["iteration", "iteration", "epoch"] * 3
    rates = [record["rate"] for record in records if record["kind"] == "iteration"]
    options = {"iterations_per_epoch": 2, "epochs": 3, "base_rate": 0.01, "warmup_epochs": 1, "warmup_rate": 0.005}
    assert rates == [learning_rate(iteration, **options) for iteration in range(6)]
    epochs = [record for record in records if record["kind"] == "epoch"]
    best = max(epochs, key=lambda record: (record["val_top1"], -record["val_loss"]))
    assert (uninterrupted.best_epoch, uninterrupted.best_top1) == (best["epoch"], best["val_top1"])
    losses = [record["loss"] for record in records[:2]]
    assert epochs[0]["train_loss"] == pytest.approx(np.mean(losses))


@pytest.mark.parametrize(
    ("epoch", "step"),
    [(1, 0), pytest.param(0, 1, marks=pytest.mark.slow), pytest.param(2, 1, marks=pytest.mark.slow)],
)
def test_an_interrupted_and_resumed_run_is_the_uninterrupted_one_to_the_bit(
    lists, tmp_path, monkeypatch, uninterrupted, epoch, step
):
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=epoch, step=step)
        with pytest.raises(PptsnError, match=rf"interrupted in epoch {epoch + 1} of 3; go on with --resume"):
            train(tiny_recipe(lists), tmp_path / "run")
    # Neither the number of processes nor what the random generators went through before may matter.
    recipe = _changed(tiny_recipe(lists), "data", workers=1 if epoch == 1 else 0)
    resumed = train(recipe, tmp_path / "run", resume=True)
    assert _digest(resumed.last_weights) == _digest(uninterrupted.last_weights)
    assert _digest(resumed.best_weights) == _digest(uninterrupted.best_weights)
    assert (resumed.best_epoch, resumed.best_top1) == (uninterrupted.best_epoch, uninterrupted.best_top1)
    metrics = uninterrupted.last_weights.parent / "metrics.jsonl"
    assert _without_times(tmp_path / "run" / "metrics.jsonl") == _without_times(metrics)


@pytest.mark.slow
def test_another_seed_gives_other_weights(lists, tmp_path, uninterrupted):
    recipe = parse_recipe({**tiny_recipe(lists).model_dump(), "seed": 1}, source="x")
    assert _digest(train(recipe, tmp_path / "run").last_weights) != _digest(uninterrupted.last_weights)


def test_the_number_of_threads_changes_nothing(lists, tmp_path, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AUTO,STRICT")
    if "threads" in arithmetic(paddle):
        pytest.skip("MKL adds up in one order for all numbers of threads on Intel's processors alone")
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists).to_yaml())
    digests = set()
    for threads in ("1", "2", "5"):
        process = start_training(
            tmp_path / "recipe.yaml", tmp_path / threads, OMP_NUM_THREADS=threads, MKL_DYNAMIC="FALSE"
        )
        _, message = process.communicate(timeout=300)
        assert process.returncode == 0, message.decode()
        digests.add(_digest(RunFolder(tmp_path / threads).last_weights))
    assert len(digests) == 1


def test_a_run_that_goes_on_with_other_arithmetic_says_so(lists, tmp_path, monkeypatch):
    recipe, shown = tiny_recipe(lists, epochs=1), io.StringIO()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True, display=Display(Console(file=shown)))
    assert "on other terms" not in shown.getvalue()
    monkeypatch.setenv("MKL_CBWR", "AUTO,STRICT")
    train(recipe, tmp_path / "run", resume=True, display=Display(Console(file=shown)))
    assert "on other terms (MKL_CBWR COMPATIBLE → AUTO,STRICT" in shown.getvalue()


def test_resuming_a_finished_run_changes_nothing(lists, uninterrupted):
    folder = uninterrupted.last_weights.parent
    before = (folder / "metrics.jsonl").read_bytes()
    assert train(tiny_recipe(lists), folder, resume=True) == uninterrupted
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_a_run_is_not_overwritten_nor_resumed_with_another_recipe(lists, uninterrupted):
    folder = uninterrupted.last_weights.parent
    with pytest.raises(UsageError, match="is not empty"):
        train(tiny_recipe(lists), folder)
    with pytest.raises(UsageError, match=r"optimizer\.epochs \(3 → 4\)"):
        train(tiny_recipe(lists, epochs=4), folder, resume=True)


def test_other_lists_are_refused_on_resuming(tmp_path, uninterrupted):
    lists = make_lists(tmp_path)
    recipe = tiny_recipe(lists, epochs=1)
    train(recipe, tmp_path / "run")
    lines = (lists / "train.txt").read_text().splitlines(keepends=True)
    (lists / "train.txt").write_text("".join(lines[::-1]))
    with pytest.raises(UsageError, match="other training or validation lists"):
        train(recipe, tmp_path / "run", resume=True)


def test_a_loss_that_is_no_number_ends_the_run(lists, tmp_path, monkeypatch):
    monkeypatch.setattr(Learner, "add", lambda self, batch, *, part: float("nan"))
    with pytest.raises(PptsnError, match=r"in epoch 1, iteration 0: the loss became nan; .*; lower"):
        train(tiny_recipe(lists), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_unreadable_clips_are_counted_wrong_and_recorded_whatever_batch_they_come_after(tmp_path):
    lists = make_lists(tmp_path)
    broken = [f"train {number}.mp4" for number in (0, 2, 4, 6)] + ["val 0.mp4"]
    for name in broken:
        (lists / name).write_bytes(b"no video")
    train(tiny_recipe(lists, epochs=1), tmp_path / "run")
    (epoch,) = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    assert sorted(line.partition(": ")[0] for line in epoch["unreadable"]) == [
        str(lists / name) for name in broken
    ]
    assert epoch["iteration"] == 1
    assert epoch["val_top1"] <= 2 / 3


@pytest.mark.parametrize("turn", [None, 0, 7, 8])
def test_every_epoch_tells_a_clip_that_cannot_be_read_whenever_its_turn_is(tmp_path, turn):
    lists = make_lists(tmp_path, train=9, val=1)
    broken = [] if turn is None else [int(batch_order(9, mode="train", seed=0, epoch=0)[turn])]
    for number in broken:
        (lists / f"train {number}.mp4").write_bytes(b"no video")
    train(tiny_recipe(lists, epochs=1), tmp_path / "run")
    (epoch,) = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    told = [line.partition(": ")[0] for line in epoch["unreadable"]]
    assert (told, epoch["iteration"]) == ([str(lists / f"train {number}.mp4") for number in broken], 2)


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"batch_size": 4}, r"optimizer\.batch_size or optimizer\.accumulate"),
        ({"batch_size": 2, "clips_per_step": 4}, r"optimizer\.clips_per_step"),
    ],
)
def test_where_unreadable_clips_leave_no_step_the_remedy_is_told_and_no_folder_stays(tmp_path, options, keys):
    recipe = tiny_recipe(make_lists(tmp_path, train=4, val=1), **options)
    (tmp_path / "train 2.mp4").write_bytes(b"no video")
    message = rf"fewer readable clips than one step takes; repair it, as `pptsn data check` .*, or lower {keys}$"
    with pytest.raises(UsageError, match=message):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_starts_from_the_pretrained_weights(lists, tmp_path, monkeypatch):
    state = state_of(PPTSN(18, 3))
    save_weights(state, tmp_path / "start.pdparams")
    recipe = _changed(tiny_recipe(lists), "model", pretrained=tmp_path / "start.pdparams")
    seen = []

    def first_step(self, batch, *, part):
        seen.append(weights_digest(state_of(self.model)))
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "add", first_step)
    with pytest.raises(PptsnError, match="interrupted"):
        train(recipe, tmp_path / "run")
    assert seen == [weights_digest(state)]


@pytest.mark.slow
def test_the_network_learns(tmp_path):
    """Low rates, no dropout, twice as many clips: what is learnt does not hang on how a processor rounds."""
    recipe = tiny_recipe(
        make_lists(tmp_path, train=12, val=6), epochs=10, batch_size=6, base_rate=0.0005, warmup_rate=0.00025
    )
    recipe = _changed(_changed(recipe, "augmentation", mixup_alpha=0.0), "model", drop_ratio=0.0, num_seg=1)
    result = train(recipe, tmp_path / "run")
    epochs = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    assert epochs[-1]["train_loss"] < 0.7 * epochs[0]["train_loss"]
    assert result.best_top1 == 1.0


def test_among_epochs_of_equal_accuracy_the_lowest_loss_is_best(lists, tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0])

    def validate(*arguments, **options):
        return Validation(loss=next(losses), top1=0.5, top5=1.0, unreadable=())

    monkeypatch.setattr("pptsn.training.trainer.validate", validate)
    assert train(tiny_recipe(lists), tmp_path / "run").best_epoch == 2


def _check_readable(run: Path) -> None:
    """Every checkpoint that can be seen can be read."""
    for folder in run.glob("checkpoints/epoch-*"):
        read_checkpoint(folder / WEIGHTS_NAME)
    for name in ("best", "last"):
        if (run / name).is_symlink():
            read_checkpoint(run / name / WEIGHTS_NAME)


def _kill(process: subprocess.Popen[bytes], metrics: Path, chance: random.Random) -> None:
    """Kill it while it starts, or at a random moment of its next steps, however fast they are."""
    before, steps = _steps(metrics), chance.randrange(4)
    if steps == 0:
        time.sleep(chance.uniform(0.5, 3))
    while _steps(metrics) < before + steps and process.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.2))
    process.kill()
    process.communicate()


def _steps(metrics: Path) -> int:
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def _in_processes(recipe: Recipe, folder: Path, *, kills: int, seed: int = 0) -> str:
    """Run `recipe` with SIGKILL at `kills` random moments, then to its end; return the digest of its last weights.

    Without a kill in a process of its own, too: after hundreds of other tests this one gave other last bits, as it
    never does by itself.
    """
    chance = random.Random(seed)
    run = folder / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    for _ in range(kills):
        _kill(start_training(folder / "recipe.yaml", run), run / "metrics.jsonl", chance)
        _check_readable(run)
    process = start_training(folder / "recipe.yaml", run)
    _, message = process.communicate(timeout=300)
    assert process.returncode == 0, message.decode()
    return _digest(RunFolder(run).last_weights)


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "kills"), [(3, 3), (20, 10)])
def test_killed_at_random_moments_a_run_ends_with_the_same_weights(lists, tmp_path, epochs, kills):
    recipe = tiny_recipe(lists, epochs=epochs)
    whole = _in_processes(recipe, tmp_path / "whole", kills=0)
    assert _in_processes(recipe, tmp_path / "killed", kills=kills, seed=kills) == whole


@pytest.mark.slow
def test_killed_ten_times_a_distilled_run_ends_with_the_same_weights(lists, tmp_path):
    """With soft labels that are kept, each run's in a folder of its own."""
    teacher = tmp_path / "teacher.pdparams"
    save_weights(state_of(PPTSN(18, 3)), teacher)
    digests = set()
    for name, kills in (("whole", 0), ("killed", 10)):
        kept = {"teacher": str(teacher), "soft_labels": str(tmp_path / f"soft-{name}")}
        recipe = _changed(_changed(tiny_recipe(lists, epochs=20), "distillation", **kept), "augmentation", draws=8)
        digests.add(_in_processes(recipe, tmp_path / name, kills=kills, seed=kills))
    assert len(digests) == 1


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_with_one_line(lists, tmp_path):
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists, epochs=500).to_yaml())
    # By the program, which knows how to stop: the KeyboardInterrupt of Python alone is lost where a callback of
    # the collector happens to run.
    process = start_program("train", tmp_path / "recipe.yaml", "-o", tmp_path / "run")
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    lines = message.decode().splitlines()
    assert process.returncode == 5
    # The second where it comes between what the trainer itself does.
    assert re.search("interrupted in epoch .*go on with --resume|stopped; go on with --resume", lines[-1])
    assert "Traceback" not in message.decode()


def _plain_losses(recipe: Recipe, run: Path, monkeypatch) -> list[float]:
    """The losses of a run in which clips do not depend on each other: batch norm as in inference, no mixup."""
    with monkeypatch.context() as patch:
        patch.setattr(PPTSN, "train", PPTSN.eval)
        train(recipe, run)
    return [r["loss"] for r in read_metrics(run / "metrics.jsonl") if r["kind"] == "iteration"]


def _without_chance(recipe: Recipe) -> Recipe:
    return _changed(_changed(recipe, "augmentation", mixup_alpha=0.0), "model", drop_ratio=0.0)


@pytest.mark.slow
def test_four_batches_of_two_in_a_step_are_one_batch_of_eight(lists, tmp_path, monkeypatch):
    at_once = _without_chance(tiny_recipe(lists, batch_size=8))
    in_parts = _without_chance(tiny_recipe(lists, batch_size=2, accumulate=4))
    expected = _plain_losses(at_once, tmp_path / "at once", monkeypatch)
    found = _plain_losses(in_parts, tmp_path / "in parts", monkeypatch)
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(found) == 3
    assert len(set(expected)) == 3
    one, other = (read_checkpoint(tmp_path / name / "last.pdparams").arrays for name in ("at once", "in parts"))
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-5, err_msg=name)


def test_a_step_that_is_not_full_is_left_out_and_the_rates_are_those_of_steps(lists, tmp_path):
    train(tiny_recipe(lists, batch_size=2, accumulate=3, epochs=2), tmp_path / "run")
    steps = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "iteration"]
    assert [record["iteration"] for record in steps] == [0, 1]
    options = {"iterations_per_epoch": 1, "epochs": 2, "base_rate": 0.01, "warmup_epochs": 1, "warmup_rate": 0.005}
    assert [record["rate"] for record in steps] == [learning_rate(number, **options) for number in range(2)]


def test_rates_are_scaled_where_the_recipe_says_what_they_are_for(lists, tmp_path):
    recipe = tiny_recipe(lists, batch_size=2, accumulate=2, rates_for=16, epochs=1, warmup_epochs=0)
    train(recipe, tmp_path / "run")
    rates = [r["rate"] for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "iteration"]
    assert rates == pytest.approx([0.0025, 0.00125])


@pytest.mark.slow
def test_an_accumulating_run_goes_on_to_the_bit(lists, tmp_path, monkeypatch):
    recipe = tiny_recipe(lists, batch_size=2, accumulate=2, epochs=2)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=1, step=1)
        with pytest.raises(PptsnError, match="interrupted in epoch 2"):
            train(recipe, tmp_path / "run")
    resumed = train(recipe, tmp_path / "run", resume=True)
    assert _digest(resumed.last_weights) == _digest(whole.last_weights)


def test_a_list_smaller_than_a_batch_is_one_step_an_epoch(lists, tmp_path):
    console = Console(file=io.StringIO(), width=200)
    train(tiny_recipe(lists, batch_size=32, epochs=1), tmp_path / "run", display=Display(console))
    steps = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "iteration"]
    assert len(steps) == 1
    assert "8 clips to train on: 1 step of 8 an epoch, as they are fewer than the 32" in console.file.getvalue()
