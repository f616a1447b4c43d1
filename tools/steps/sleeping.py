"""A rank whose network sleeps in place of its forward pass, and has real gradients of all its parameters.

python -m tools.steps.sleeping RECIPE OUTPUT SECONDS
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from pptsn.runtime.base.errors import DONE
from pptsn.runtime.base.progress import LineConsole
from pptsn.training.network import resnet_vd
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import NETWORKS
from pptsn.training.progress import Display
from pptsn.training.ranks.environment import own_number
from pptsn.training.ranks.line import RankLine
from pptsn.training.recipe import load_recipe
from pptsn.training.trainer import train


def sleeping(network: Any, *, classes: int, seconds: float) -> Any:
    """Let the forward pass of `network` take `seconds` of no processor; returns it.

    Its logits, (B, classes), are no answer, but hang on every parameter, so that each has a gradient.
    """
    first = paddle.nn.functional.one_hot(paddle.zeros([1], "int64"), classes)

    def forward(crops: Any) -> Any:
        time.sleep(seconds)
        total = sum(parameter.mean() for parameter in network.parameters())
        return paddle.expand(first * total, [crops.shape[0], classes])

    network.forward = forward
    return network


def main(recipe: str, output: str, seconds: float) -> None:
    """Train by `recipe` into `output` as one rank of a job, which has a line to its supervisor."""
    line = RankLine(own_number())

    def build(depth: int, classes: int, drop_ratio: float) -> Any:
        network = resnet_vd.ARCHITECTURE.build(depth, classes, drop_ratio)
        return sleeping(network, classes=classes, seconds=seconds)

    NETWORKS[resnet_vd.ARCHITECTURE.name] = replace(resnet_vd.ARCHITECTURE, build=build)
    train(load_recipe(recipe), output, display=Display(LineConsole(quiet=True)))
    line.tell(DONE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
