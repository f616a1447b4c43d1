"""Batch norm over the clips of all ranks, which the published recipe does not ask for: it counts by rank."""

from __future__ import annotations

from typing import Any

from pptsn.runtime.base.errors import UsageError
from pptsn.training.network._paddle import nn, paddle


def synchronised(model: Any) -> Any:
    """Return `model` with batch norm over all ranks; parameters, statistics and their names stay.

    Not run where it was written: Paddle has no CPU kernel for it.  Raises UsageError on a CPU.
    """
    if not str(paddle.get_device()).startswith("gpu"):
        cause = "Paddle does it on GPUs alone"
        raise UsageError("model.sync_batch_norm", cause, "leave it out, or train with device=cuda")
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
