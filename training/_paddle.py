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


_use_all_cores()

nn: Any = paddle.nn

__all__ = ["nn", "paddle"]
