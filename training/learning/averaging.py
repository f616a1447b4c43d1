"""An exponential moving average of the weights: what is validated and saved in place of the last.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, is the mean of all; that recent
weights count more, and that the decay warms up, is as in TensorFlow's `ExponentialMovingAverage`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pptsn.training.checkpoint.pickles import Array
from pptsn.training.network._paddle import paddle

# After t steps the decay is (1 + t) / (10 + t) at most, so that the first weights are soon forgotten.
_WARM_UP = 10.0


def decay_after(steps: int, *, decay: float) -> float:
    """Return the decay of the step that follows `steps` others: `decay`, or less in the first ones."""
    return min(decay, (1.0 + steps) / (_WARM_UP + steps))


class WeightAverage:
    """The average of the parameters and statistics of `model`: a = d * a + (1 - d) * w after every step.

    The statistics of batch norm are averaged like the weights: those of the model belong to its last weights, and
    the average is of weights from before.  Counting them anew (see `statistics`) is exact, and can be had as well.
    It begins with the model as it is.
    """

    def __init__(self, model: Any, *, decay: float) -> None:
        self._model, self._decay = model, decay
        self._averages = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, steps: int, weights: Mapping[str, Any]) -> None:
        """Take in `weights`, float32 tensors by the model's names, after a step that followed `steps` others."""
        share = 1.0 - decay_after(steps, decay=self._decay)
        with paddle.no_grad():
            for name, value in weights.items():
                self._averages[name].lerp_(value, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model its averages in the block; what the block makes of them stays in the average."""
        own = {}
        for name, value in self._model.state_dict().items():
            own[name] = value.detach().clone()
            value.set_value(self._averages[name].astype(value.dtype))
        try:
            yield
        finally:
            for name, value in self._model.state_dict().items():
                if value.dtype == self._averages[name].dtype:  # else it was rounded
                    self._averages[name].set_value(value)
                value.set_value(own[name])

    def state(self) -> dict[str, Array]:
        """Return copies of the averages, float32, under the names of a checkpoint."""
        return {name: np.array(value.numpy()) for name, value in self._averages.items()}
