"""Stages of a backbone that keep the weights they begin with."""

from __future__ import annotations

from typing import Any

from pptsn.runtime.base.errors import UsageError
from pptsn.training.network.architectures import NETWORKS
from pptsn.training.network.weights import BACKBONE


def freeze(model: Any, last: str) -> list[Any]:
    """Keep the backbone of `model` as it is, from its input to the stage `last`; return the layers of that part.

    Their parameters have no gradients from now on, which optimisers made later go by.  The layers belong into
    inference mode whatever mode the model is in: batch norm by other statistics would change what they answer.
    Raises UsageError for a stage that the architecture does not have.
    """
    stages = NETWORKS[model.architecture].stages
    names = list(stages)
    if last not in stages:
        raise UsageError("model.freeze", f"is {last}", f"choose one of {', '.join(names)}, or leave it out")
    parts = tuple(f"{BACKBONE}{stages[name]}" for name in names[: names.index(last) + 1])
    for name, parameter in model.named_parameters():
        if name.startswith(parts):
            parameter.stop_gradient = True
    return [layer for name, layer in model.named_sublayers() if name.startswith(parts)]
