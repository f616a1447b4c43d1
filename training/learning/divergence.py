"""Telling that a training has diverged by the weights themselves: the loss may hide it, as Relu makes 0 of NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import PptsnError
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.network._paddle import paddle
from pptsn.training.network.weights import state_of

_NAMED_CLIPS, _NAMED_ENTRIES = 8, 2
_REMEDY = "lower optimizer.base_rate, and start anew"


def not_finite(state: Mapping[str, Array]) -> list[str]:
    """Return the names of the entries of `state` that hold anything but finite numbers."""
    return [name for name, array in state.items() if not np.isfinite(array).all()]


def require_finite(state: Mapping[str, Array], *, place: str) -> None:
    """Raise PptsnError where a checkpoint would hold anything but finite numbers; place: for the error."""
    wrong = not_finite(state)
    if wrong:
        raise PptsnError("training", f"diverged by {place}: {_counted(wrong, len(state))}", _REMEDY)


def check_step(model: Any, loss: float, *, clips: Sequence[str], place: str) -> None:
    """Raise PptsnError where a step left the loss, a parameter or a statistic of `model` without a finite value.

    clips, place: as in `check_loss`.
    """
    check_loss(loss, clips=clips, place=place)
    if _sum_is_finite(model):
        return
    state = state_of(model)
    wrong = not_finite(state)
    if wrong:  # else large numbers, of which the sum alone is none
        raise _diverged(place, _counted(wrong, len(state)), clips)


def check_scaling(scaling: Mapping[str, float], *, place: str) -> None:
    """Raise PptsnError where steps are skipped without an end: gradients overflow that nothing has scaled up.

    scaling: as `optimizer.scaling_state` returns it.  place: for the error.
    """
    if scaling and scaling["scale"] < 1:
        cause = f"diverged in {place}: gradients are no finite numbers, though losses are not scaled up any more"
        raise PptsnError("training", cause, f"set amp_type: bfloat16, or {_REMEDY}")


def check_loss(loss: float, *, clips: Sequence[str], place: str) -> None:
    """Raise PptsnError where the loss of a batch is no finite number.

    clips: of the batch; the first of them are named.  place: for the error.
    """
    if not math.isfinite(loss):
        raise _diverged(place, f"the loss became {loss}", clips)


def _diverged(place: str, cause: str, clips: Sequence[str]) -> PptsnError:
    more = len(clips) - _NAMED_CLIPS
    named = ", ".join(clips[:_NAMED_CLIPS]) + (f" and {more} more" if more > 0 else "")
    return PptsnError("training", f"diverged in {place}: {cause}; the clips of the batch: {named}", _REMEDY)


def _sum_is_finite(model: Any) -> bool:
    """Whether the sum of all parameters and statistics is a number: one figure from the device, whatever it is."""
    with paddle.no_grad():
        sums = [value.astype("float32").sum() for value in model.state_dict().values()]
        return math.isfinite(float(paddle.add_n(sums)))


def _counted(wrong: Sequence[str], of: int) -> str:
    named = ", ".join(wrong[:_NAMED_ENTRIES]) + (", ..." if len(wrong) > _NAMED_ENTRIES else "")
    return f"{len(wrong)} of {of} parameters and statistics are no finite numbers ({named})"
