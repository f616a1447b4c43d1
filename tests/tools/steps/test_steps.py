"""What training promises, measured on clips that are made for it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.learning.losses import cross_entropy
from pptsn.training.network._paddle import nn, paddle
from tests.clips import write_clip
from tools.steps.loading import PlainClip, measure_loader
from tools.steps.ranks import measure_ranks
from tools.steps.sleeping import sleeping
from tools.steps.stepping import measure_step

SETTINGS = ClipSettings(num_seg=2, short_side=36, crop_size=32)
ONCE = Method(repeats=1, least_s=0, least_iterations=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "c.mp4", frames=24)


def test_the_plain_way_gives_crops_of_the_loaders_kind(clip: Path) -> None:
    crops = PlainClip(SETTINGS)((Sample(str(clip), 0), 7))
    assert (crops.shape, crops.dtype) == ((2, 32, 32, 3), np.uint8)
    assert np.array_equal(crops, PlainClip(SETTINGS)((Sample(str(clip), 0), 7)))
    assert not np.array_equal(crops, PlainClip(SETTINGS)((Sample(str(clip), 0), 8)))


def test_the_gain_of_the_loader_is_that_of_its_rates(clip: Path) -> None:
    samples = [Sample(str(clip), 0)] * 4
    result = measure_loader(samples, SETTINGS, ONCE, workers=1, batch_size=2)
    rates = [result[f"{name}_clips_per_s"].value for name in ("loader", "plain")]
    assert result["loader_speedup"].value == pytest.approx(rates[0] / rates[1])


@pytest.mark.slow
def test_the_share_of_a_step_is_of_its_arithmetic(clip: Path) -> None:
    result = measure_step([clip] * 4, ONCE, depth=18, batch_size=2, segments=1, workers=0)
    assert result["step_share"].value == pytest.approx(
        result["step_ms"].value / result["forward_backward_ms"].value
    )
    assert result.facts["steps"] == 2


def test_a_network_that_sleeps_has_a_gradient_of_each_parameter():
    network = sleeping(nn.Sequential(nn.Conv2D(3, 2, 1), nn.Linear(4, 5)), classes=3, seconds=0.1)
    started = time.monotonic()
    logits = network(paddle.zeros([2, 3, 8, 8]))
    assert time.monotonic() - started >= 0.1
    assert logits.shape == [2, 3]
    cross_entropy(logits, paddle.to_tensor([1, 2])).backward()
    assert all((parameter.grad != 0).all() for parameter in network.parameters())


@pytest.mark.slow
def test_the_gain_of_two_ranks_is_that_of_their_rates(clip: Path) -> None:
    result = measure_ranks([clip], ONCE, depth=18, batch_size=2, segments=1, steps=1)
    rates = [result[f"by_{ranks}_clips_per_s"].value for ranks in (2, 1)]
    assert result["ranks_speedup"].value == pytest.approx(rates[0] / rates[1])
    assert result.facts["loading_ms"] > 0
