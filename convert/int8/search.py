"""Choosing how to quantize: candidates are built, judged on held-out frames, and tabled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.convert.graph.compensation import Rounded, Rounding, input_moments, round_convolutions, with_rounded
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession, Views
from pptsn.convert.int8.histogram import Histogram
from pptsn.convert.int8.options import PLACEMENTS, Recipe
from pptsn.convert.int8.placement import Plan, make_plan
from pptsn.convert.int8.qdq import quantize
from pptsn.convert.int8.recorded import activations_of
from pptsn.convert.int8.scales import INT8_MAX, Scale, scale_of, weight_scales
from pptsn.convert.verify.agreement import Agreement, agreement
from pptsn.runtime.base.progress import Steps
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.model.activations import ActivationScale

# A layer's own error is an order of magnitude, for which few frames do; there are dozens of layers.
_LAYER_FRAMES = 16


@dataclass(frozen=True)
class Candidate:
    """A recipe and how its model agrees with the FP32 network on the held-out frames."""

    recipe: Recipe
    figures: Agreement


@dataclass(frozen=True)
class LayerError:
    """The normalised logit error, median and worst over the held-out frames, with one convolution quantized."""

    layer: str
    median: float
    worst: float


class Quantizer:
    """Quantizes one FP32 network in several ways, and judges each on held-out views.

    histograms: of every tensor that a placement of `target` quantizes; held_out: (N, 3, S, S) float32.
    rounded: the convolutions' weights where they are rounded with compensation, see `round_to_int8`.
    scales: those of the activations by method, where they are known and need no histogram.
    Models are judged as they are written, without ONNX Runtime's optimisation, which moves quantized results.
    """

    def __init__(
        self,
        network: Network,
        target: str,
        histograms: Mapping[str, Histogram],
        held_out: Views,
        *,
        rounded: dict[str, Rounded] | None = None,
        scales: Mapping[str, Mapping[str, Scale]] | None = None,
    ) -> None:
        self._network, self._target = network, target
        self._rounded = rounded
        self._weight_scales = _weight_scales(network) if rounded is not None else None
        self._histograms, self._held_out = histograms, held_out
        self._expected: Logits = NetworkSession(network).logits(held_out)
        self._scales: dict[str, Mapping[str, Scale]] = dict(scales or {})

    def build(self, recipe: Recipe) -> Network:
        """Return the FP32 network with Q/DQ as `recipe` says."""
        plan = make_plan(self._network, recipe.placement, skip=recipe.skipped)
        return self._quantized(plan, recipe.method)

    def activations(self, recipe: Recipe) -> list[ActivationScale]:
        """Return by which scales the model of `recipe` reads its activations."""
        plan = make_plan(self._network, recipe.placement, skip=recipe.skipped)
        return activations_of(self._network, plan, self._shared(plan, recipe.method))

    def _shared(self, plan: Plan, method: str) -> dict[str, Scale]:
        scales = self._scales_by(method)
        return {tensor: scales[plan.scale_of.get(tensor, tensor)] for tensor in plan.tensors}

    def _quantized(self, plan: Plan, method: str) -> Network:
        shared = self._shared(plan, method)
        if self._rounded is None:
            return quantize(self._network, plan, shared)
        network = with_rounded(self._network, self._rounded, plan.convolutions)
        return quantize(network, plan, shared, weight_scales_of=self._weight_scales)

    def _scales_by(self, method: str) -> Mapping[str, Scale]:
        if method not in self._scales:
            self._scales[method] = {
                name: scale_of(histogram, method, self._target) for name, histogram in self._histograms.items()
            }
        return self._scales[method]

    def judge(self, recipe: Recipe) -> Candidate:
        """Return how the model of `recipe` agrees with FP32."""
        logits = NetworkSession(self.build(recipe), optimise=False).logits(self._held_out)
        return Candidate(recipe, agreement(logits, self._expected))

    def layer_errors(self, method: str, *, progress: Steps | None = None) -> list[LayerError]:
        """Return the error of each convolution quantized alone (weights and input), the worst first."""
        layers = make_plan(self._network, "convolutions").convolutions
        held_out, expected = self._held_out[:_LAYER_FRAMES], self._expected[:_LAYER_FRAMES]
        errors = []
        for done, layer in enumerate(layers, 1):
            plan = make_plan(self._network, "convolutions", skip=[name for name in layers if name != layer])
            logits = NetworkSession(self._quantized(plan, method), optimise=False).logits(held_out)
            figures = agreement(logits, expected)
            errors.append(LayerError(layer, figures.error_median, figures.error_worst))
            if progress is not None:
                progress(done, len(layers))
        return sorted(errors, key=lambda error: (-error.median, error.layer))


def _weight_scales(network: Network) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weight scales (O,) of each convolution, by name."""
    return {name: weight_scales(network.weights(node)) for name, node in network.convolutions.items()}


def round_to_int8(network: Network, views: Views, *, progress: Steps | None = None) -> dict[str, Rounded]:
    """Return the weights of every convolution of `network` on int8's grid, rounded with compensation.

    views: (N, 3, S, S) float32, real ones.
    """

    def rounding_of(weights: npt.NDArray[np.float32]) -> Rounding:
        scales = weight_scales(weights).astype(np.float64)
        return lambda column: np.rint(column / scales).clip(-INT8_MAX, INT8_MAX) * scales

    return round_convolutions(network, input_moments(network, views), rounding_of, progress=progress)


def tensors_of(network: Network, target: str) -> list[str]:
    """Return the tensors that the placements of `target` quantize, and the convolutions' inputs, each once."""
    names = dict.fromkeys(make_plan(network, "convolutions").tensors)
    for placement in PLACEMENTS[target]:
        names |= dict.fromkeys(make_plan(network, placement).tensors)
    return list(names)


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate of the smallest median error; of equal ones, the first."""
    return min(candidates, key=lambda candidate: candidate.figures.error_median)
