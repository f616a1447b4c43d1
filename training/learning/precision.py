"""Automatic mixed precision: convolutions and products in 16 bits, sums, batch norm and the loss in FP32.

For GPUs, and not run on one yet: what is asked of Paddle is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from pptsn.runtime.base.errors import UsageError
from pptsn.training.learning.optimizer import RecipeOptimizer, loss_scaler
from pptsn.training.network._paddle import paddle
from pptsn.training.recipe import Recipe

Cast: TypeAlias = "Callable[[], AbstractContextManager[Any]]"

_SUPPORTED = {"float16": "is_float16_supported", "bfloat16": "is_bfloat16_supported"}


class Precision:
    """In which types the steps of `recipe` compute.

    scaler: of losses, as small gradients vanish in FP16; None without mixed precision, and for BF16, whose range
    is that of FP32.
    Raises UsageError for mixed precision on a CPU, or on a GPU that lacks the type: there Paddle would leave it
    out and say nothing.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._level, self._type = recipe.amp, recipe.amp_type
        if self._level:
            _require_support(self._type)
        self.scaler: Any = loss_scaler() if self._level and self._type == "float16" else None

    def cast(self) -> Any:
        """Return the context in which the network computes, in steps and in validation."""
        return paddle.amp.auto_cast(enable=bool(self._level), level=self._level or "O1", dtype=self._type)

    def prepare(self, model: Any, optimizer: RecipeOptimizer) -> None:
        """Bring `model`, with the weights that it begins with, into the types that steps need.

        Before `optimizer` does a step or takes a state over.
        """
        if self._level == "O2":
            optimizer.keep_masters(model, dtype=self._type)


def _require_support(kind: str) -> None:
    if not paddle.get_device().startswith("gpu"):
        raise UsageError("amp", "is for GPUs, and this training runs on a CPU", "set amp: false (--set amp=false)")
    if not getattr(paddle.amp, _SUPPORTED[kind])():
        cause = f"is {kind}, which this GPU, or this Paddle on it, does not compute in"
        raise UsageError("amp_type", cause, "choose the other type, or set amp: false (--set amp=false)")
