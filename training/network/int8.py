"""A network that rounds as an INT8 file does, so that training makes up for it.

Quantization-aware training: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", arXiv 1712.05877.  Rounding happens where the file has its Q/DQ pairs and by
the file's scales of activations, which stay; weights take the scales that cover them, anew in each step.  Batch
norm is folded into them by its statistics, which stay as well.  The gradient passes rounding as if it were not
there, and ends where values are clipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.model.activations import ActivationScale, open_quantized
from pptsn.runtime.model.file import ModelFile
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.network.resnet_vd import Add, ConvBN
from pptsn.training.network.weights import weights_digest

INT8_MAX, UINT8_MAX = 127, 255
# What `convert.int8.qdq` keeps integers within: of int32, what float32 reaches.
_INT32_MAX = 2**31 - 256
# The operators that read quantized activations, as ONNX calls them.
_OPERATORS = {
    nn.Conv2D: "Conv",
    nn.MaxPool2D: "MaxPool",
    nn.AvgPool2D: "AveragePool",
    nn.AdaptiveAvgPool2D: "GlobalAveragePool",
    Add: "Add",
}
# FP16 has so many bits, and below 2^-14 steps of this width.
_FP16_BITS, _FP16_STEP = 11, 2.0**-24
_TRACED_SIDE = 32


class _Round(paddle.autograd.PyLayer):
    """Rounding to integers in low..high, whose gradient is that of clipping alone."""

    @staticmethod
    def forward(ctx: Any, x: Any, low: float, high: float) -> Any:
        ctx.save_for_backward((x >= low) & (x <= high))
        return paddle.round(paddle.clip(x, low, high))

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (inside,) = ctx.saved_tensor()
        return gradient * inside.astype(gradient.dtype)


class _Rounding:
    """The Q/DQ pair of an activation."""

    def __init__(self, scale: ActivationScale, *, signed: bool) -> None:
        self.scale = paddle.to_tensor(scale.scale, "float32")
        low = -INT8_MAX - 1 if signed else 0
        self._low, self._high = low - scale.zero_point, low + UINT8_MAX - scale.zero_point

    def __call__(self, x: Any) -> Any:
        return _Round.apply(x / self.scale, self._low, self._high) * self.scale


class _Int8Convolution:
    """A convolution with its batch norm folded in and its weights rounded; `rounds_bias`: its bias as well."""

    def __init__(self, layer: ConvBN, rounding: _Rounding, *, rounds_bias: bool) -> None:
        self._layer, self._rounding, self._rounds_bias = layer, rounding, rounds_bias

    def __call__(self, x: Any) -> Any:
        convolution = self._layer.convolution
        weights, bias = self._layer.folded()
        with paddle.no_grad():
            scales = _weight_scales(weights)
            if self._rounds_bias:  # next to vanishing weights it would not fit
                least = bias.astype("float64").abs() / self._rounding.scale.astype("float64") / _INT32_MAX
                scales = paddle.maximum(scales, least.astype("float32"))
        steps = scales.reshape([-1, 1, 1, 1])
        weights = _Round.apply(weights / steps, -INT8_MAX, INT8_MAX) * steps
        if self._rounds_bias:
            steps = scales * self._rounding.scale
            counts = _Round.apply(bias.astype("float64") / steps.astype("float64"), -_INT32_MAX, _INT32_MAX)
            bias = counts.astype("float32") * steps
        stride, padding = convolution._stride, convolution._padding
        return nn.functional.conv2d(self._rounding(x), weights, bias, stride=stride, padding=padding)


def _weight_scales(weights: Any) -> Any:
    """Return the int8 scale of each output channel, (O,) float32, rounded up to a number that FP16 holds."""
    scales = weights.reshape([weights.shape[0], -1]).abs().max(axis=1).astype("float64") / INT8_MAX
    scales = paddle.clip(scales, min=_FP16_STEP)
    _, exponents = paddle.frexp(scales)
    steps = paddle.clip(2.0 ** (exponents - _FP16_BITS), min=_FP16_STEP)
    return (paddle.ceil(scales / steps) * steps).astype("float32")


def round_as(model: Any, path: str | Path) -> str:
    """Let `model` round as the INT8 file at `path` does, in training and in evaluation; return a line about it.

    A convolution whose input the file does not round stays in floating point, its batch norm as it is.
    Raises ModelError for a damaged file; UsageError for one that is not INT8, or of another network.
    """
    file, scales = open_quantized(path)
    remedy = "name the INT8 file of the weights that training begins with"
    if (file.spec.architecture, file.spec.depth) != (model.architecture, model.depth):
        cause = f"is of a network of depth {file.spec.depth}, and the recipe's (model.depth) has {model.depth}"
        raise UsageError(path, cause, remedy)
    operators = _operators(model)
    for_cpu = file.quantized_for == "cpu"
    roundings: dict[tuple[str, int], dict[int, _Rounding]] = {}
    for scale in scales:
        inputs = roundings.setdefault((scale.reader, scale.number), {})
        inputs[scale.input] = _Rounding(scale, signed=not for_cpu)
    for operator, inputs in roundings.items():
        if operator not in operators:
            kind, number = operator
            raise UsageError(path, f"rounds what {kind} {number} reads, which the network does not have", remedy)
        layer = operators[operator]
        if isinstance(layer, ConvBN):
            layer.convolve = _Int8Convolution(layer, inputs[0], rounds_bias=for_cpu)
        else:
            layer.register_forward_pre_hook(_rounding_inputs(inputs))
    convolutions = sum(isinstance(operators[operator], ConvBN) for operator in roundings)
    return f"{path}: training rounds {convolutions} convolutions as this file for {file.quantized_for} does"


def doubts(path: str | Path, weights: Mapping[str, Array]) -> Iterator[str]:
    """Yield a line where the INT8 file at `path` was not made of `weights`, those that training begins with.

    Raises ModelError for a damaged file.
    """
    if ModelFile.open(path).spec.weights_digest != weights_digest(weights):
        yield f"{path}: was made of other weights than training begins with, which its scales may not fit"


def _rounding_inputs(roundings: Mapping[int, _Rounding]) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]:
    def rounded(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(roundings[i](x) if i in roundings else x for i, x in enumerate(inputs))

    return rounded


def _operators(model: Any) -> dict[tuple[str, int], Any]:
    """Return the layers that may read quantized activations, by kind and number in the order in which they run."""
    found: dict[tuple[str, int], Any] = {}
    counts: Counter[str] = Counter()

    def note(layer: Any, _: Any) -> None:
        kind = _OPERATORS[type(layer)]
        found[kind, counts[kind]] = homes.get(id(layer), layer)
        counts[kind] += 1

    homes = {id(layer.convolution): layer for layer in model.sublayers() if isinstance(layer, ConvBN)}
    hooks = [layer.register_forward_pre_hook(note) for layer in model.sublayers() if type(layer) in _OPERATORS]
    was_training = model.training
    model.eval()
    with paddle.no_grad():
        model.view_logits(paddle.zeros([1, 3, _TRACED_SIDE, _TRACED_SIDE]))
    if was_training:
        model.train()
    for hook in hooks:
        hook.remove()
    return found
