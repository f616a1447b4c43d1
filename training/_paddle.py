"""The one door to Paddle: a clear error where it is missing, and all CPU cores where it is not."""

from __future__ import annotations

import os
import warnings
from typing import Any

from runtime.errors import MissingDependencyError

_asked_threads = os.environ.get("OMP_NUM_THREADS")
# Paddle's C++ side reports the start of every interpreter; errors still come through.
os.environ.setdefault("GLOG_minloglevel", "2")

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing ccache and the like
        import paddle
except ImportError as error:
    raise MissingDependencyError(
        "paddle", f"training, evaluation and export need PaddlePaddle ({error})", "run: pip install 'pptsn[train]'"
    ) from error


def _use_all_cores() -> None:
    """Give Paddle's CPU kernels one thread a usable core, unless OMP_NUM_THREADS asked for another number.

    Paddle sets OMP_NUM_THREADS to 1 on import; a larger value in the environment makes it print warnings.
    """
    if _asked_threads is None:
        paddle.base.core.set_num_threads(len(os.sched_getaffinity(0)))


def select_device(name: str) -> str:
    """Make `name` (auto, cpu, cuda or cuda:N) the device of what follows, and return it as Paddle calls it.

    auto is the first GPU where there is one that this Paddle can use, else the CPU.
    Raises MissingDependencyError for a GPU that is not there.
    """
    gpus = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
    if name == "auto":
        name = "cuda:0" if gpus else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= gpus:
        found = f"Paddle finds {gpus} GPUs" if paddle.device.is_compiled_with_cuda() else "this Paddle has no CUDA"
        remedy = "install paddlepaddle-gpu from Paddle's own index (see README.md), or use device=cpu"
        raise MissingDependencyError(f"device {name}", found, remedy)
    device = "cpu" if kind == "cpu" else f"gpu:{index or 0}"
    paddle.set_device(device)
    return device


_use_all_cores()
# Said once for every batch norm layer on the first training step.
warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")

nn: Any = paddle.nn

__all__ = ["nn", "paddle", "select_device"]
