"""What the network sees, made on its device of the loader's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.learning.learner import Learner
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.pixels import network_input
from pptsn.training.trainer import train
from tests.training.runs import make_lists, tiny_recipe

_USERS = ("pptsn.training.learning.learner.network_input", "pptsn.training.validation.network_input")


def _by_numpy(crops: np.ndarray) -> Any:
    """The same on the CPU, by the runtime's definition."""
    planes = normalise(crops.reshape(-1, *crops.shape[-3:]), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return paddle.to_tensor(planes.reshape(*crops.shape[:-3], *planes.shape[1:]))


@pytest.mark.parametrize("leading", [(), (6,), (2, 3)])
def test_every_value_of_every_colour_is_the_runtimes_to_the_bit(leading: tuple[int, ...]) -> None:
    values = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
    crops = np.ascontiguousarray(np.broadcast_to(values, (*leading, *values.shape)))
    found, expected = network_input(crops), _by_numpy(crops)
    assert found.shape == expected.shape
    assert found.dtype == paddle.float32
    assert np.array_equal(found.numpy(), expected.numpy())


def test_pixels_stay_where_they_are_and_clips_apart() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(network_input(crops).numpy(), _by_numpy(crops).numpy())
    assert network_input(crops[:0]).shape == [0, 3, 3, 5, 7]


@pytest.mark.usefixtures("narrow", "undrawn")
@pytest.mark.parametrize(
    "augmentation",
    [
        pytest.param({}, id="published", marks=pytest.mark.slow),
        pytest.param({"mixup_alpha": 0, "crop": "random_resized"}, id="other crops", marks=pytest.mark.slow),
        pytest.param({"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}, id="colours"),
    ],
)
def test_losses_and_weights_are_those_of_normalising_before_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augmentation: dict[str, object]
) -> None:
    values = tiny_recipe(make_lists(tmp_path), epochs=1).model_dump()
    model = {**values["model"], "precise_batch_norm": 8}
    recipe = type(tiny_recipe(tmp_path)).model_validate({**values, "model": model, "augmentation": augmentation})
    runs = [train(recipe, tmp_path / "device")]
    for user in _USERS:
        monkeypatch.setattr(user, _by_numpy)
    runs.append(train(recipe, tmp_path / "before"))
    weights, expected = (read_pickle(run.last_weights) for run in runs)
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], array) for name, array in expected.items())
    losses = [
        [entry["loss"] for entry in read_metrics(tmp_path / run / "metrics.jsonl") if entry["kind"] == "iteration"]
        for run in ("device", "before")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 2


@pytest.mark.usefixtures("narrow", "undrawn")
def test_it_is_computed_outside_of_mixed_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, in the statistics of batch norm and in validation: level O2 would compute it in 16 bits."""
    inside, outside = [False], []

    @contextmanager
    def casting(learner: Learner) -> Iterator[None]:
        inside[0] = True
        yield
        inside[0] = False

    def watched(crops: np.ndarray) -> Any:
        outside.append(not inside[0])
        return network_input(crops)

    monkeypatch.setattr(Learner, "cast", casting)
    for user in _USERS:
        monkeypatch.setattr(user, watched)
    values = tiny_recipe(make_lists(tmp_path, train=4), epochs=1).model_dump()
    values["model"]["precise_batch_norm"] = 4
    train(type(tiny_recipe(tmp_path)).model_validate(values), tmp_path / "run")
    assert outside == [True, True, True]
