"""The one door to Paddle: a clear error where it is missing, and all CPU cores where it is not."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, install_command

# One thread a core that this process may use, or what the environment asks for.
_asked = os.environ.get("OMP_NUM_THREADS", "")
CPU_THREADS = int(_asked) if _asked.isdecimal() else available_cores()

# What Paddle's libraries read once, on import:
_SETTINGS = {
    # Paddle's own choice is 1.  Results of training do not depend on it, to the bit.
    "OMP_NUM_THREADS": str(CPU_THREADS),
    # A thread that waits sleeps at once, instead of keeping a core from the processes that load clips.
    "KMP_BLOCKTIME": "0",
    # The C++ side reports the start of every interpreter; errors still come through.
    "GLOG_minloglevel": "2",
}


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables that are not set already while the block runs, so that child processes do not inherit them."""
    added = settings.keys() - os.environ.keys()
    os.environ.update({name: settings[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


try:
    # Paddle warns of every thread count but 1 on stderr, and of a missing ccache.
    with _environment(_SETTINGS), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle
except ImportError as error:
    raise MissingDependencyError(
        "paddle",
        f"training, evaluation and export need PaddlePaddle ({error})",
        f"run: {install_command('train')}",
    ) from error

# Said once for every batch norm layer on the first training step.
warnings.filterwarnings("ignore", message="When training, we now always track global mean and variance")

nn: Any = paddle.nn


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


__all__ = ["CPU_THREADS", "nn", "paddle", "select_device"]
