"""What a checkpoint says of where its run stands."""

from __future__ import annotations

from typing import Any

from pptsn.training.checkpoint.run_folder import TrainingState


def state_after(epoch: int, **changes: Any) -> TrainingState:
    """Return the state of a run of ten steps an epoch; the fields in `changes` are others."""
    values: dict[str, Any] = {
        "epoch": epoch,
        "iteration": 10 * epoch,
        "best_epoch": 1,
        "best_top1": 0.5,
        "best_loss": 1.0,
        "metrics_bytes": 0,
        "data_digest": "d",
        "loss_scaling": {},
    }
    return TrainingState(**(values | changes))
