"""Small checkpoints for tests: the names of a network, with arrays of a number or two."""

import numpy as np

from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import state_of

DEPTH_18_BLOCKS = [f"bb_{stage}_{block}" for stage in range(4) for block in range(2)]


def named_state(classes: int = 3, *, value: float = 0.0) -> dict[str, np.ndarray]:
    """What `inspect_checkpoint` takes for a depth of 18, at a thousandth of the size; no network fits it."""
    names = [f"backbone.{block}.conv0._conv.weight" for block in DEPTH_18_BLOCKS]
    state = {name: np.full((1, 1), value, np.float32) for name in names}
    return {**state, "head.fc.weight": np.full((2, classes), value, np.float32)}


def network_state(depth: int = 18, classes: int = 3) -> dict[str, np.ndarray]:
    """The initial parameters of a network."""
    return state_of(PPTSN(depth, classes))
