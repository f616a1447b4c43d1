"""Automatic mixed precision: convolutions and products in 16 bits, weights, sums and the loss in FP32.

For GPUs, and not run on one yet: what is asked of Paddle is tested.
"""

from __future__ import annotations

from typing import Any

from pptsn.runtime.base.errors import UsageError
from pptsn.training.learning.optimizer import loss_scaler
from pptsn.training.network._paddle import paddle
from pptsn.training.recipe import Recipe


class Precision:
    """In which types the steps of `recipe` compute.

    scaler: of losses, as small gradients vanish in FP16; None without mixed precision, and for BF16, whose range
    is that of FP32.
    Raises UsageError for mixed precision on a CPU, on which Paddle would leave it out and say nothing.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.amp and not paddle.get_device().startswith("gpu"):
            raise UsageError(
                "amp", "is for GPUs, and this training runs on a CPU", "set amp: false (--set amp=false)"
            )
        self._enabled, self._type = recipe.amp, recipe.amp_type
        self.scaler: Any = loss_scaler() if recipe.amp and recipe.amp_type == "float16" else None

    def cast(self) -> Any:
        """Return the context in which the network computes."""
        return paddle.amp.auto_cast(enable=self._enabled, level="O1", dtype=self._type)
