"""The scales of an INT8 file's activations: told to others, and taken back for another network like the file's.

Training that rounds as the file does (`pptsn.training.network.int8`) changes weights and leaves these scales: the
file that is made of its weights has to have the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pptsn.convert.graph.network import Network
from pptsn.convert.int8.options import PLACEMENTS, Recipe
from pptsn.convert.int8.placement import Plan, make_plan
from pptsn.convert.int8.scales import Scale
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.model.activations import ActivationScale, open_quantized
from pptsn.runtime.model.file import ModelFile


@dataclass(frozen=True)
class Recorded:
    """How an INT8 file was quantized.

    scales: of the tensors of a network like its own.  origin: what is told of them: the file, and its calibration.
    """

    recipe: Recipe
    scales: Mapping[str, Scale]
    origin: Mapping[str, Any]


def activations_of(network: Network, plan: Plan, scales: Mapping[str, Scale]) -> list[ActivationScale]:
    """Return `scales`, of every tensor that `plan` quantizes in `network`, by what reads them."""
    return [
        ActivationScale(
            reader=kind,
            number=number,
            input=index,
            scale=scales[tensor].scale,
            zero_point=scales[tensor].zero_point,
        )
        for (kind, number, index), tensor in _tensors(network, plan).items()
    ]


def read_recorded(path: Path, network: Network, target: str) -> Recorded:
    """Return how the INT8 file at `path` was quantized, with its scales by the tensors of the FP32 `network`.

    Raises UsageError for a file that is no INT8 one or for another target than `target`, ModelError for one that
    is damaged, does not tell its scales, or is of another network.
    """
    file, activations = open_quantized(path)
    if file.quantized_for != target:
        raise UsageError(path, f"is for {file.quantized_for}, asked for is {target}", "pass its own --target")
    recipe = _recipe_of(file)
    known = {scale.place: scale for scale in activations}
    tensors = _tensors(network, make_plan(network, recipe.placement, skip=recipe.skipped))
    if tensors.keys() != known.keys():
        raise ModelError(path, f"is of another network than {network.source}", "name one of a network like it")
    dtype = "uint8" if target == "cpu" else "int8"
    scales = {
        tensor: Scale(known[place].scale, known[place].zero_point, dtype) for place, tensor in tensors.items()
    }
    told = file.quantization or {}
    origin = {name: value for name, value in told.items() if name.startswith("calibration_")}
    return Recorded(recipe, scales, {"scales_of": file.sha256, **origin})


def _recipe_of(file: ModelFile) -> Recipe:
    told = file.quantization or {}
    values = {name: told.get(name) for name in ("target", "method", "placement")}
    try:
        recipe = msgspec.convert({**values, "skipped": told.get("skipped_layers")}, Recipe)
    except msgspec.ValidationError as error:
        raise ModelError(
            file.path, f"does not tell how it was quantized ({error})", "quantize it again"
        ) from error
    if recipe.placement not in PLACEMENTS[recipe.target]:
        cause = f"is quantized by a placement that this release does not know, {recipe.placement!r}"
        raise ModelError(file.path, cause, "quantize it again")
    return recipe


def _tensors(network: Network, plan: Plan) -> dict[tuple[str, int, int], str]:
    """Return the tensors that `plan` quantizes, by (operator, number of it, input) of each of their readers."""
    counts: dict[str, int] = {}
    places = {}
    for node in network.nodes:
        number = counts.setdefault(node.op_type, 0)
        places[node.name] = node.op_type, number
        counts[node.op_type] += 1
    return {(*places[name], index): point.tensor for point in plan.points for name, index in point.readers}
