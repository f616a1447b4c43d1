"""Weights as they are before training, for measuring what does not depend on them: speed, memory, sizes."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.model.spec import RESNET_VD
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.weights import Checkpoint, state_of

# What a checkpoint that was never a file is called in messages.
_NAME = "untrained weights"


def untrained_checkpoint(depth: int, classes: int, *, seed: int, architecture: str = RESNET_VD) -> Checkpoint:
    """Return a full checkpoint with the weights that training begins with, drawn from `seed`.

    Its class names are such that nobody takes one for an answer: an untrained model knows no action.
    Raises UsageError for a depth that there is not.
    """
    paddle.seed(seed)
    arrays = state_of(build_network(architecture, depth=depth, classes=classes))
    labels = tuple(f"untrained class {number}" for number in range(classes))
    return Checkpoint(
        path=Path(_NAME),
        kind="full",
        architecture=architecture,
        depth=depth,
        classes=classes,
        arrays=arrays,
        labels=labels,
    )
