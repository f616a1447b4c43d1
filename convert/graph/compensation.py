"""Rounding the weights of convolutions such that the errors cancel on real inputs.

Rounding each weight to the nearest number moves a convolution's output by the sum of the errors, weighted by its
inputs; behind a Relu inputs are positive and alike, so the sum has a bias.  Here weights are rounded one after
another, and each error is spread over the weights that are still to come, by the inputs' second moments: the
update of the optimal brain surgeon, in the order and blocks of GPTQ (Frantar et al., arXiv 2210.17323).  It costs
nothing when the model runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from pptsn.convert.graph.network import INPUT_NAME, Network
from pptsn.convert.graph.session import NetworkSession, Views
from pptsn.convert.graph.view import attribute
from pptsn.runtime.base.progress import Steps

Floats = npt.NDArray[np.floating]
# Rounds weights (O,), one for each output channel, to what the format holds.
Rounding = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

# Windows that are looked at of each view, and views: some thousand samples for moments of up to 4608 weights.
_WINDOWS = 64
_VIEWS = 128
# Added to the moments' diagonal, as a share of its mean: directions that no sample has are not trusted.
_DAMPING = 0.01
_BLOCK = 128


@dataclass(frozen=True)
class Rounded:
    """A convolution's rounded weights (O, I, h, w) and bias (O,), float32."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def to_nearest_fp16(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the nearest numbers that FP16 holds; infinite beyond its range."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)


def input_moments(
    network: Network, views: Views, *, progress: Steps | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """Return for each convolution the second moments (n + 1, n + 1) of what one output reads: 1, then n inputs.

    n is I * h * w, in the order of the weights.  views: (N, 3, S, S) float32, of which up to 128 are used, each
    with its mirror image in turn; windows are drawn from a fixed seed.
    """
    convolutions = network.convolutions.values()
    inside = list(dict.fromkeys(node.input[0] for node in convolutions if node.input[0] != INPUT_NAME))
    session = NetworkSession(network, tensors=inside)
    rng = np.random.default_rng(0)
    chosen = views[:: -(-len(views) // _VIEWS)].copy()
    chosen[1::2] = chosen[1::2, ..., ::-1]
    moments: dict[str, npt.NDArray[np.float32]] = {}
    done = 0
    for values in session.watch(chosen):
        for node in convolutions:
            samples = _windows(values[node.input[0]], node, rng)
            product = samples.T @ samples / np.float32(len(chosen) * _WINDOWS)
            moments[node.name] = moments[node.name] + product if node.name in moments else product
        done += len(values[INPUT_NAME])
        if progress is not None:
            progress(done, len(chosen))
    return moments


def _windows(values: npt.NDArray[np.float32], node: onnx.NodeProto, rng: np.random.Generator) -> Floats:
    """Return 1 and what `node` reads at random positions of its input (B, I, H, W): (B * _WINDOWS, n + 1)."""
    kernel = attribute(node, "kernel_shape", [1, 1])
    strides, pads = attribute(node, "strides", [1, 1]), attribute(node, "pads", [0, 0, 0, 0])
    padded = np.pad(values, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axis=(2, 3))
    windows = windows[:, :, :: strides[0], :: strides[1]]
    batch, _, height, width = windows.shape[:4]
    images = np.repeat(np.arange(batch), _WINDOWS)
    rows, columns = rng.integers(0, height, len(images)), rng.integers(0, width, len(images))
    samples = windows[images, :, rows, columns].reshape(len(images), -1)
    return np.concatenate([np.ones((len(images), 1), np.float32), samples], axis=1)


def compensate(
    weights: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    moments: npt.NDArray[np.float32],
    rounding: Rounding,
) -> Rounded:
    """Return `weights` (O, I, h, w) by `rounding` and `bias` (O,) in FP16, with errors that cancel.

    moments: (n + 1, n + 1), see `input_moments`.
    """
    rest = np.concatenate([bias[:, None], weights.reshape(len(weights), -1)], axis=1).astype(np.float64)
    rounded = np.empty_like(rest)
    factor = _factor(moments)
    count = rest.shape[1]
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        errors = np.empty((len(rest), end - start))
        for i in range(start, end):
            rounded[:, i] = (rounding if i else to_nearest_fp16)(rest[:, i])
            errors[:, i - start] = (rest[:, i] - rounded[:, i]) / factor[i, i]
            rest[:, i + 1 : end] -= np.outer(errors[:, i - start], factor[i, i + 1 : end])
        rest[:, end:] -= errors @ factor[start:end, end:]
    return Rounded(rounded[:, 1:].reshape(weights.shape).astype(np.float32), rounded[:, 0].astype(np.float32))


def _factor(moments: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the upper triangular U with U'U the inverse of the damped moments."""
    damped = moments.astype(np.float64)
    diagonal = np.diag_indices(len(damped))
    damped[diagonal] += _DAMPING * float(damped[diagonal].mean()) + np.finfo(np.float32).tiny
    factor: npt.NDArray[np.float64] = np.linalg.cholesky(np.linalg.inv(damped)).T
    return factor


def round_convolutions(
    network: Network,
    moments: dict[str, npt.NDArray[np.float32]],
    rounding_of: Callable[[npt.NDArray[np.float32]], Rounding],
    *,
    progress: Steps | None = None,
) -> dict[str, Rounded]:
    """Return the rounded weights of every convolution of the FP32 `network`, by name.

    rounding_of: gives the rounding for a convolution's weights (O, I, h, w).
    """
    rounded = {}
    for done, (name, node) in enumerate(network.convolutions.items(), 1):
        weights = network.weights(node)
        rounded[name] = compensate(weights, network.bias(node), moments[name], rounding_of(weights))
        if progress is not None:
            progress(done, len(network.convolutions))
    return rounded


def with_rounded(network: Network, rounded: dict[str, Rounded], names: Collection[str]) -> Network:
    """Return `network` with the rounded weights and biases of its convolutions `names`."""
    model = network.copy_model()
    values = {initializer.name: initializer for initializer in model.graph.initializer}
    for node in model.graph.node:
        if node.name in names:
            new = rounded[node.name]
            for name, array in zip(node.input[1:3], (new.weights, new.bias), strict=True):
                values[name].CopyFrom(numpy_helper.from_array(array, name))
    return network.remade(model)
