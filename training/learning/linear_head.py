"""A linear classifier of features that stand still: softmax regression, fitted to its minimum.

The loss is convex and smooth, so L-BFGS with a line search ends at the one minimum, without rates or epochs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.network._paddle import nn, paddle

_MOST_ITERATIONS = 200
_STILL = 1e-6  # the largest gradient at which the minimum counts as reached

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """What gives logits of features: weight (D, C) and bias (C,), float32."""

    weight: Array
    bias: Array

    def logits(self, features: Array) -> Array:
        """Return the logits (N, C) float32 of features (N, D)."""
        return np.asarray(features @ self.weight + self.bias, np.float32)


def fit_linear_head(
    features: Array,
    labels: npt.NDArray[np.int64],
    *,
    classes: int,
    penalty: float,
    class_weights: Array | None = None,
) -> LinearHead:
    """Return the head that minimises the mean cross entropy plus `penalty` / 2 times its squared weights.

    features: (N, D) float32, N >= 1, and labels: (N,), of the clips to learn from.
    penalty: of the weights for features that are centred and have a mean squared length of 1, so that it means the
    same of any backbone; the bias has none.
    class_weights: (C,) of the losses, by the clips' classes; None weighs all alike.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    centred = features - centre
    scale = float(np.sqrt(np.mean(np.sum(centred**2, axis=1)))) or 1.0  # one clip has no spread
    # Few clips span few dimensions, in which the penalty keeps the weights: the minimum is the same, found sooner.
    is_narrow = 3 * len(features) < features.shape[1]  # of more, finding them takes what it saves
    span, inputs_in_it = np.linalg.qr(centred.T) if is_narrow else (None, centred.T)
    inputs, targets = paddle.to_tensor(inputs_in_it.T / scale, dtype="float64"), paddle.to_tensor(labels)
    own = None if class_weights is None else paddle.to_tensor(class_weights[labels], dtype="float64")
    weight, bias = (_zeros(shape) for shape in ((inputs.shape[1], classes), (classes,)))
    optimizer = paddle.optimizer.LBFGS(
        max_iter=_MOST_ITERATIONS,
        tolerance_grad=_STILL,
        line_search_fn="strong_wolfe",
        parameters=[weight, bias],
    )

    def loss() -> Any:
        optimizer.clear_grad()
        losses = nn.functional.cross_entropy(inputs @ weight + bias, targets, reduction="none").flatten()
        total = (losses if own is None else losses * own).mean() + penalty / 2 * (weight**2).sum()
        total.backward()
        return total

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of how Paddle's own line search copies a tensor
        optimizer.step(loss)
    found = (weight.numpy() if span is None else span @ weight.numpy()) / scale
    return LinearHead(np.asarray(found, np.float32), np.asarray(bias.numpy() - centre @ found, np.float32))


def _zeros(shape: tuple[int, ...]) -> Any:
    tensor = paddle.zeros(shape, dtype="float64")
    tensor.stop_gradient = False
    return tensor
