"""A training that diverges ends with an error, and leaves the last epoch whose numbers were finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import PptsnError
from pptsn.training.learning import trainee
from pptsn.training.learning.divergence import check_step, require_finite
from pptsn.training.learning.learner import Learner
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint
from pptsn.training.trainer import train
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")
BROKEN = (float("nan"), float("inf"), -float("inf"))


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def network():  # type: ignore[no-untyped-def]
    return PPTSN(depth=18, classes=3)


def _checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir()) if (run / "checkpoints").is_dir() else []


@pytest.mark.parametrize("rate", [1000.0, 1e20])
def test_a_rate_without_measure_ends_with_an_error_that_names_the_clips(
    lists: Path, tmp_path: Path, rate: float
) -> None:
    recipe = tiny_recipe(lists, base_rate=rate, warmup_rate=rate)
    with pytest.raises(
        PptsnError, match=r"diverged .*(train|val) \d\.mp4, .*; lower optimizer.base_rate"
    ) as caught:
        train(recipe, tmp_path / "run")
    assert caught.value.exit_code == 1
    for epoch in _checkpoints(tmp_path / "run"):  # whatever was committed before is finite, or it is refused here
        read_checkpoint(tmp_path / "run" / "checkpoints" / epoch / "weights.pdparams")


@pytest.mark.parametrize(
    ("entry", "value", "epoch"),
    [
        pytest.param("head.fc.bias", BROKEN[0], 0, marks=pytest.mark.slow),
        ("a variance", BROKEN[1], 1),
        pytest.param("head.fc.bias", BROKEN[2], 2, marks=pytest.mark.slow),
    ],
)
def test_the_last_finite_epoch_stays_whenever_it_happens(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, epoch: int, entry: str
) -> None:
    add = Learner.add

    def breaking(self, batch, *, part):  # type: ignore[no-untyped-def]
        loss = add(self, batch, part=part)
        if int(self.epoch) == epoch:
            state = self.model.state_dict()
            name = entry if entry in state else next(name for name in state if name.endswith("_variance"))
            state[name].set_value(np.full(state[name].shape, value, np.float32))
        return loss

    monkeypatch.setattr(Learner, "add", breaking)
    with pytest.raises(PptsnError, match=rf"diverged in epoch {epoch + 1}, .*: 1 of \d+ parameters") as caught:
        train(tiny_recipe(lists), tmp_path / "run")
    assert (f"the checkpoint of epoch {epoch} stays" in str(caught.value)) is (epoch > 0)
    assert f"epoch-{epoch:04d}" in _checkpoints(tmp_path / "run") or not epoch
    assert f"epoch-{epoch + 1:04d}" not in _checkpoints(tmp_path / "run")
    if epoch:
        assert read_checkpoint(tmp_path / "run" / "last.pdparams").classes == 3
        assert (tmp_path / "run" / "last").resolve().name == f"epoch-{epoch:04d}"


@pytest.mark.parametrize("broken", [0, 1, 3, 40])
def test_any_number_of_broken_entries_is_counted(network, broken: int) -> None:  # type: ignore[no-untyped-def]
    state = network.state_dict()
    before = {name: np.array(value.numpy()) for name, value in state.items()}
    try:
        for number, name in enumerate(list(state)[:broken]):
            value = before[name].copy()
            value.flat[-1] = BROKEN[number % 3]
            state[name].set_value(value)
        if not broken:
            check_step(network, 1.0, clips=["a"], place="x")
            return
        with pytest.raises(PptsnError, match=rf"diverged in x: {broken} of {len(state)} parameters"):
            check_step(network, 1.0, clips=["a"], place="x")
    finally:
        for name, value in before.items():
            state[name].set_value(value)


def test_numbers_that_are_large_alone_are_no_divergence(network) -> None:  # type: ignore[no-untyped-def]
    bias = network.state_dict()["head.fc.bias"]
    bias.set_value(np.full(bias.shape, 3e38, np.float32))
    try:
        check_step(network, 1.0, clips=[], place="x")
    finally:
        bias.set_value(np.zeros(bias.shape, np.float32))


@pytest.mark.parametrize("count", [1, 8, 9, 5000])
@pytest.mark.parametrize("loss", BROKEN)
def test_clips_are_named_within_bounds(network, count: int, loss: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PptsnError, match="the loss became") as caught:
        check_step(network, loss, clips=[f"clip-{number}.mp4" for number in range(count)], place="x")
    assert str(caught.value).count(".mp4") == min(count, 8)
    assert ("and 4992 more" in str(caught.value)) is (count == 5000)


@pytest.mark.parametrize("value", [0.0, 3e38, BROKEN[1]])
def test_nothing_but_finite_numbers_is_committed(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """Velocities too: a run would go on with them."""
    state = {"a": np.zeros(4, np.float32), "b.velocity": np.array([0, value], np.float32)}
    if np.isfinite(value):
        require_finite(state, place="x")
        return
    with pytest.raises(PptsnError, match=r"diverged by x: 1 of 2 .*\(b\.velocity\)"):
        require_finite(state, place="x")
    optimizer = trainee.RecipeOptimizer
    monkeypatch.setattr(optimizer, "state", lambda self: {"w.velocity": np.full(1, value, np.float32)})
    with pytest.raises(PptsnError, match=r"diverged by the end of epoch 1: 1 of \d+ .*\(w\.velocity\)"):
        train(tiny_recipe(lists, epochs=1), tmp_path / "run")
    assert _checkpoints(tmp_path / "run") == []


def test_a_validation_without_a_finite_loss_is_an_error(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(logits, labels):  # type: ignore[no-untyped-def]
        return paddle.to_tensor(float("nan"))

    monkeypatch.setattr("pptsn.training.validation.cross_entropy", blind)
    with pytest.raises(
        PptsnError, match=r"in the validation of epoch 1: the loss became nan; the clips .*val 0\.mp4"
    ):
        train(tiny_recipe(lists), tmp_path / "run")
    assert _checkpoints(tmp_path / "run") == []
