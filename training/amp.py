"""Loss scaling for automatic mixed precision.  For GPUs, and not run where this was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pptsn.training.network._paddle import paddle

_COUNTS = ("incr_count", "decr_count")


def loss_scaler() -> Any:
    """Return PP-TSN's dynamic loss scaling: from 2^16, doubled every 2000 good steps, halved on a bad one."""
    return paddle.amp.GradScaler(
        init_loss_scaling=2.0**16,
        incr_ratio=2.0,
        decr_ratio=0.5,
        incr_every_n_steps=2000,
        decr_every_n_nan_or_inf=1,
    )


def scaling_state(scaler: Any) -> dict[str, float]:
    """Return what of `scaler` changes while it runs, as plain numbers for JSON; empty without a scaler."""
    if scaler is None:
        return {}
    state = scaler.state_dict()
    return {"scale": float(state["scale"][0]), **{name: state[name] for name in _COUNTS}}


def load_scaling(scaler: Any, state: Mapping[str, float]) -> None:
    """Take over what `scaling_state` returned."""
    if scaler is None or not state:
        return
    counts = {name: int(state[name]) for name in _COUNTS}
    scaler.load_state_dict({**scaler.state_dict(), **counts, "scale": np.array([state["scale"]], np.float32)})
