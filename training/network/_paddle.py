"""Paddle, as all of training has it, and the device that it runs on."""

from __future__ import annotations

import warnings
from typing import Any

from pptsn.runtime.base.errors import PADDLE_GPU_INSTALL, MissingDependencyError
from pptsn.runtime.engines.paddle.library import import_paddle
from pptsn.training.ranks.environment import own_card, share_cores

share_cores()  # Paddle starts its threads when it is imported
paddle: Any = import_paddle("training, evaluation and export need PaddlePaddle", extra="train")
nn: Any = paddle.nn

# Said once for every batch norm layer on the first training step.
warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")


def select_device(name: str) -> str:
    """Make `name` (auto, cpu, cuda or cuda:N) the device of what follows, and return it as Paddle calls it.

    See `found_device`, which says what it is and raises.
    """
    device = found_device(name)
    paddle.set_device(device)
    return device


def found_device(name: str) -> str:
    """Return what the device `name` (auto, cpu, cuda or cuda:N) is to Paddle: cpu or gpu:N.

    auto is the GPU that the launcher gave this process, or the first, where this Paddle can use one, else the CPU.
    Raises MissingDependencyError for a GPU that is not there.
    """
    gpus = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or own_card()) >= gpus:
        found = f"Paddle finds {gpus} GPUs" if paddle.device.is_compiled_with_cuda() else "this Paddle has no CUDA"
        remedy = f"install paddlepaddle-gpu ({PADDLE_GPU_INSTALL}), or use device=cpu"
        raise MissingDependencyError(f"device {name}", found, remedy)
    return "cpu" if kind == "cpu" else f"gpu:{index or own_card()}"
