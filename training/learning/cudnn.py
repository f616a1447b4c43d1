"""Memory and kernels of cuDNN: what PaddleVideo exports before it trains, as flags of this process."""

from __future__ import annotations

from typing import Any

from pptsn.training.network._paddle import paddle
from pptsn.training.progress import Display
from pptsn.training.sections import CudnnSection


def set_cudnn(options: CudnnSection, display: Display) -> None:
    """Set the flags of `options`, in place of what the environment says; before the first step.

    A Paddle without CUDA has no such flags, and nothing that they would change.  `display` tells one that another
    lacks.
    """
    if not paddle.device.is_compiled_with_cuda():
        return
    for key, (flag, value) in _flags(options).items():
        try:
            paddle.set_flags({flag: value})
        except ValueError:
            display.line(f"cudnn.{key}: has no effect, as Paddle {paddle.__version__} has no {flag}")


def _flags(options: CudnnSection) -> dict[str, tuple[str, Any]]:
    """Return the flag of each key, and its value."""
    return {
        "workspace_mb": ("FLAGS_conv_workspace_size_limit", options.workspace_mb),
        "exhaustive_search": ("FLAGS_cudnn_exhaustive_search", options.exhaustive_search),
        "persistent_batch_norm": ("FLAGS_cudnn_batchnorm_spatial_persistent", options.persistent_batch_norm),
    }
