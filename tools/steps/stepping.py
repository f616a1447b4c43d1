"""A training step as `pptsn train` does it, against forward and backward of the network on data in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.benchmarks.measure.method import Method, timed_ms
from pptsn.benchmarks.measure.percentiles import over_repeats, percentile
from pptsn.benchmarks.measure.results import Result
from pptsn.training.learning.losses import cross_entropy
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle, select_device
from pptsn.training.network.architectures import build_network
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import train
from tools.targets.target import Target

STEP = Target(
    name="step_share",
    what="a training step with its loading, of forward and backward on data in memory",
    unit="times",
    at_most=1.15,
)
_CLASSES = 400
# The first epoch of a run starts processes and Paddle's kernels; a long run is made of what the second is.
_EPOCHS = 2


def measure_step(
    clips: Sequence[Path], method: Method, *, depth: int, batch_size: int, segments: int, workers: int
) -> Result:
    """Return the time of a step of training on `clips`, of the time that the network's arithmetic takes.

    All of a step counts: waiting for its clips, mixup, the loss, the optimiser and the checks of the weights.
    The network alone runs in turn with it, before each run, on a batch of the same size.
    """
    select_device("cpu")
    steps = len(clips) // batch_size
    alone, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        recipe = training_recipe(
            clips, Path(folder), depth=depth, batch_size=batch_size, segments=segments, workers=workers
        )
        for repeat in range(method.repeats):
            method.watch.look()
            alone.append(_arithmetic_ms(recipe, steps))
            whole.append(_training_ms(recipe, Path(folder) / str(repeat), clips=len(clips)))
    shares = [trained / bare for trained, bare in zip(whole, alone, strict=True)]
    return STEP.result(
        over_repeats(STEP.name, shares, unit=STEP.unit, better="lower"),
        over_repeats("step_ms", whole, unit="ms", better="lower"),
        over_repeats("forward_backward_ms", alone, unit="ms", better=""),
        settings={"depth": depth, "batch_size": batch_size, "segments": segments, "workers": workers},
        facts={"clips": len(clips), "steps": steps},
    )


def training_recipe(
    clips: Sequence[Path], folder: Path, *, depth: int, batch_size: int, segments: int, workers: int
) -> Recipe:
    """Return the recipe of a training on `clips`, long enough to tell its speed; its lists lie in `folder`."""
    lines = [f"{clip.absolute()} {number % _CLASSES}\n" for number, clip in enumerate(clips)]
    for name, chosen in (("train", lines), ("val", lines[:1])):
        (folder / f"{name}.txt").write_text("".join(chosen), encoding="utf-8")
    values = {
        "model": {"depth": depth, "classes": _CLASSES, "num_seg": segments},
        "data": {"train": str(folder / "train.txt"), "val": str(folder / "val.txt"), "workers": workers},
        "optimizer": {"epochs": _EPOCHS, "batch_size": batch_size},
        "device": "cpu",
    }
    return parse_recipe(values, source="tools.steps")


def _training_ms(recipe: Recipe, output: Path, *, clips: int) -> float:
    """Return the milliseconds of a step in the last epoch of a run by `recipe`."""
    train(recipe, output)
    steps = clips // recipe.optimizer.batch_size
    return 1000 * clips / float(last_epoch(output)["clips_per_s"]) / steps


def last_epoch(run: Path) -> dict[str, Any]:
    """Return what the folder `run` tells of its last epoch."""
    *_, last = (entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "epoch")
    return last


def _arithmetic_ms(recipe: Recipe, steps: int) -> float:
    """Return the median milliseconds of forward and backward on one batch, after one that is not counted."""
    model = recipe.model
    network = build_network(model.architecture, depth=model.depth, classes=_CLASSES, drop_ratio=model.drop_ratio)
    network.train()
    rng, rows, size = np.random.default_rng(0), recipe.optimizer.batch_size, model.crop_size
    crops = paddle.to_tensor(rng.standard_normal((rows, model.num_seg, 3, size, size), np.float32))
    labels = paddle.to_tensor(rng.integers(0, _CLASSES, rows))

    def once() -> None:
        cross_entropy(network(crops), labels).backward()
        network.clear_gradients()

    once()
    return percentile([timed_ms(once) for _ in range(steps)], 0.5)
