"""Two networks that learn from each other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.data.steps import plan_steps
from pptsn.training.distillation.objective import mutual_divergence
from pptsn.training.learning.learner import Learner
from pptsn.training.learning.losses import Mix
from pptsn.training.learning.precision import Precision
from pptsn.training.learning.trainee import Trainee
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from pptsn.training.progress import Display
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"), val=1)


@pytest.fixture(scope="module", autouse=True)
def _without_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pptsn.training.writing.plot_metrics", lambda *arguments, **options: None)
        yield


def mutual(lists: Path, *, epochs: int = 2, ema_decay: float | None = None, **options: object) -> Recipe:
    content = tiny_recipe(lists, epochs=epochs, ema_decay=ema_decay).model_dump()
    content["distillation"] = {"mutual_depth": 18, **options}
    return parse_recipe(content, source="the test's recipe")


@pytest.fixture(scope="module")
def whole(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run of two epochs of two steps, from start to end, with a moving average of the first network."""
    return train(mutual(lists, ema_decay=0.8), tmp_path_factory.mktemp("whole") / "run")


def digests(result: TrainingResult) -> dict[str, str]:
    """Return the digests of all weights of a run, by their place in it."""
    run = result.last_weights.parent
    paths = sorted(run.rglob("*.pdparams"))
    return {str(path.relative_to(run)): weights_digest(read_checkpoint(path).arrays) for path in paths}


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_divergence_is_weighted_by_both_labels_of_a_mixed_clip(share: float) -> None:
    student, other = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    labels, partners, weights = np.array([0, 1, 2, 2]), np.array([2, 0, 3, 1]), np.array([0.5, 1, 2], np.float32)
    tensors = (paddle.to_tensor(array) for array in (student, other, labels))
    found = mutual_divergence(*tensors, Mix(share, partners), temperature=1.0, weights=paddle.to_tensor(weights))
    p, q = (np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for a in (other, student))
    rows = (p * np.log(p / q)).sum(axis=1)
    own = share * weights[labels] + (1 - share) * weights[labels[partners]]
    assert float(found) == pytest.approx((own * rows).mean(), rel=1e-4)


def test_the_losses_of_both_are_in_the_metrics(whole: TrainingResult) -> None:
    first, *_ = read_metrics(whole.last_weights.parent / "metrics.jsonl")
    assert first["loss"] == pytest.approx(first["label_loss"] + first["soft_loss"], rel=1e-5)
    assert min(first["peer_label_loss"], first["soft_loss"], first["peer_soft_loss"]) > 0
    assert first["peer_label_loss"] != first["label_loss"]


def test_the_second_network_begins_with_weights_of_its_own(lists: Path) -> None:
    recipe = mutual(lists)
    steps, counts = plan_steps(recipe.optimizer, 8), np.array([3, 3, 2])
    learner = Learner(recipe, counts=counts, steps=steps, ranks=Ranks(), precision=Precision(recipe))
    own, peer = (trainee.weights()["head.fc.weight"] for trainee in learner.trainees)
    assert not np.isclose(own, peer).any()


def test_it_is_symmetric(lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the starts of the two networks exchanged, so are their losses and what becomes of them."""
    for name in ("a", "b"):
        save_weights(state_of(PPTSN(18, 3)), tmp_path / f"{name}.pdparams")
    found = []
    for own, others in (("a", "b"), ("b", "a")):
        content = mutual(lists, epochs=1, mutual_pretrained=str(tmp_path / f"{others}.pdparams")).model_dump()
        # Dropout would be drawn for the one before the other.
        content["model"] |= {"pretrained": str(tmp_path / f"{own}.pdparams"), "drop_ratio": 0}
        run = tmp_path / f"{own}{others}"
        train(parse_recipe(content, source="the test's recipe"), run)
        weights = [read_pickle(run / "last" / f"weights{kind}.pdparams") for kind in ("", ".peer")]
        found.append((next(read_metrics(run / "metrics.jsonl")), weights))
    (losses, (own_weights, peer_weights)), (others_losses, (others_weights, others_peer_weights)) = found
    for name in ("label_loss", "soft_loss"):
        assert losses[name] == pytest.approx(others_losses[f"peer_{name}"], rel=1e-6)
        assert losses[f"peer_{name}"] == pytest.approx(others_losses[name], rel=1e-6)
    for name in own_weights:
        assert np.array_equal(own_weights[name], others_peer_weights[name]), name
        assert np.array_equal(peer_weights[name], others_weights[name]), name


@pytest.mark.slow
def test_neither_learns_by_the_others_loss(lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the labels make of one, at next to no weight of its answers the other is the network alone."""
    content = mutual(lists, epochs=1, weight=1e-30).model_dump()
    content["model"]["drop_ratio"] = 0
    beside = train(parse_recipe(content, source="the test's recipe"), tmp_path / "beside")
    content["distillation"] = {}
    alone = train(parse_recipe(content, source="the test's recipe"), tmp_path / "alone")
    found, expected = (read_checkpoint(result.last_weights).arrays for result in (beside, alone))
    assert all(found[name] == pytest.approx(array, abs=1e-6) for name, array in expected.items())


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), pytest.param(1, 0, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_to_the_weights_of_the_undisturbed_of_both(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: TrainingResult, epoch: int, step: int
) -> None:
    recipe = mutual(lists, ema_decay=0.8)
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=epoch, step=step)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    assert digests(train(recipe, tmp_path / "run", resume=True)) == digests(whole)
    assert any(name.endswith("weights.peer.pdparams") for name in digests(whole))


@pytest.mark.slow
def test_a_second_network_that_is_not_what_was_saved_is_refused(lists: Path, tmp_path: Path) -> None:
    result = train(mutual(lists, epochs=1), tmp_path / "run")
    save_weights(state_of(PPTSN(18, 3)), result.last_weights.parent / "last" / "weights.peer.pdparams")
    with pytest.raises(ModelError, match=r"weights\.peer\.pdparams is not what was saved"):
        train(mutual(lists, epochs=1), tmp_path / "run", resume=True)


def test_where_the_second_network_diverges_the_run_ends(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_at = Trainee.step_at

    def breaking(self: Trainee, rate: float) -> None:
        step_at(self, rate)
        if type(self) is Trainee:
            self.model.state_dict()["head.fc.bias"].set_value(np.full(3, np.nan, np.float32))

    monkeypatch.setattr(Trainee, "step_at", breaking)
    with pytest.raises(PptsnError, match=r"^training: diverged in epoch 1, iteration 0"):
        train(mutual(lists, epochs=1), tmp_path / "run")


def test_the_first_lines_tell_of_the_second_network_and_what_it_began_with(lists: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.pdparams"
    save_weights(state_of(PPTSN(18, 3)), start)
    shown = io.StringIO()
    display = Display(Console(file=shown, width=400))
    train(mutual(lists, epochs=1, mutual_pretrained=str(start)), tmp_path / "run", display=display)
    _, told, began, *_ = shown.getvalue().splitlines()
    assert told == (
        "distillation: a second network, of depth 18, is trained beside it, and each learns from the other; "
        "of both the loss is 1 * labels + 1 * soft labels at temperature 1"
    )
    assert began.startswith(f"{start}: loaded")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "t.pdparams"}, "teacher and mutual_depth are both set; leave out one"),
        ({"soft_labels": "soft"}, "soft_labels needs teacher"),
        ({"mutual_depth": 19}, "mutual_depth is 19, expected one of 18, 34, 50, 101, 152, 200"),
        ({"mutual_depth": None, "mutual_pretrained": "p.pdparams"}, "mutual_pretrained needs mutual_depth"),
        ({"mutual_depth": None, "weight": 2}, "weight needs teacher or mutual_depth"),
    ],
)
def test_keys_that_do_not_fit_are_refused(lists: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(PptsnError, match=message):
        mutual(lists, **options)
