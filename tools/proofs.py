"""What `pptsn verify MODEL` sees of right and of broken files: the table by which its limits were set.

    python -m tools.proofs output/model.onnx output/model.int8-cpu.onnx

Each file is broken in each of the ways below, sealed anew, and proven as it is and without ONNX Runtime's fusions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pptsn.convert.graph.view import GraphView
from pptsn.convert.verify.alone import prove_file
from pptsn.convert.verify.proof import Proof
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.model.file import ModelFile, sealed

Breaking = Callable[[onnx.ModelProto], None]


def normalisation(model: onnx.ModelProto, kind: str) -> Any:
    """Return the constant of the normalisation: of its Sub the mean, of its Mul the scale, in levels."""
    view = GraphView(model)
    (transpose, *_) = view.of_kind("Transpose")
    node = next(node for node, _ in view.readers[transpose.output[0]])
    if kind == "Mul":
        node = next(reader for reader, _ in view.readers[node.output[0]])
    return view.initializers[node.input[1]]


def change(tensor: onnx.TensorProto, values: np.ndarray) -> None:
    """Put `values` into a constant, in its own type."""
    tensor.CopyFrom(numpy_helper.from_array(values.astype(numpy_helper.to_array(tensor).dtype), tensor.name))


def _weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the weights of the convolutions: what has four dimensions and is not the normalisation's."""
    found = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1]
    if not found:
        raise ValueError("the model has no convolutions")
    return found


def shuffled_weights(model: onnx.ModelProto) -> None:
    """Give each filter of the middle convolution its neighbour's weights."""
    found = _weights(model)
    tensor = found[len(found) // 2]
    change(tensor, np.roll(numpy_helper.to_array(tensor), 1, axis=0))


def silenced_weights(model: onnx.ModelProto) -> None:
    """Set a quarter of the filters of the middle convolution to nothing."""
    found = _weights(model)
    tensor = found[len(found) // 2]
    values = numpy_helper.to_array(tensor).copy()
    values[: max(1, len(values) // 4)] = 0
    change(tensor, values)


def shifted_mean(model: onnx.ModelProto) -> None:
    """Subtract the mean of another set, 0.5 of each colour; where that is the mean, 0.45."""
    tensor = normalisation(model, "Sub")
    levels = numpy_helper.to_array(tensor)
    other = 0.45 if np.allclose(levels, 127.5) else 0.5
    change(tensor, np.full_like(levels, 255 * other))


def scaled_deviation(model: onnx.ModelProto) -> None:
    """Divide by a deviation a tenth larger."""
    tensor = normalisation(model, "Mul")
    change(tensor, numpy_helper.to_array(tensor) / 1.1)


def swapped_channels(model: onnx.ModelProto) -> None:
    """Take the channels for blue, green and red."""
    _reverse(model, axis=3, length=3)


def lost_mirroring(model: onnx.ModelProto) -> None:
    """Average each crop with itself in the place of its mirror image; of a graph without, mirror all crops."""
    both = [node for node in model.graph.node if node.op_type == "Concat"]
    if both:
        both[0].input[1] = both[0].input[0]
    else:
        _reverse(model, axis=2, length=model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)


def _reverse(model: onnx.ModelProto, *, axis: int, length: int) -> None:
    """Turn the pixels round along `axis`, behind the cast that reads the crops."""
    graph = model.graph
    index = next(i for i, node in enumerate(graph.node) if node.input[0] == graph.input[0].name)
    pixels = graph.node[index].output[0]
    graph.node[index].output[0] = "unturned"
    bounds = {"start": -1, "end": -length - 1, "axis": axis, "step": -1}
    graph.initializer.extend(numpy_helper.from_array(np.array([v]), f"turn_{k}") for k, v in bounds.items())
    node = helper.make_node("Slice", ["unturned", *(f"turn_{name}" for name in bounds)], [pixels], name="turn")
    graph.node.insert(index + 1, node)


def write_broken(source: Path, breaking: Breaking, output: Path) -> Path:
    """Write the model of `source`, broken, to `output`, with all that it carries and a digest of its own."""
    file = ModelFile.open(source, keep_content=True)
    model = onnx.load_model_from_string(file.content)
    breaking(model)
    output.write_bytes(
        sealed(model.SerializeToString(), file.spec, quantization=file.quantization, reference=file.reference)
    )
    return output


def cut_activations(model: onnx.ModelProto) -> None:
    """Of an INT8 model: quantize what the middle convolution reads by a sixty-fourth of its scale."""
    view = GraphView(model)
    quantizers = view.of_kind("QuantizeLinear")
    if not quantizers:
        raise ValueError("the model is not INT8")
    scale = view.initializers[quantizers[len(quantizers) // 2].input[1]]
    change(scale, numpy_helper.to_array(scale) / 64)


BREAKINGS: dict[str, Breaking] = {
    "weights shuffled": shuffled_weights,
    "weights silenced": silenced_weights,
    "mean": shifted_mean,
    "deviation": scaled_deviation,
    "channel order": swapped_channels,
    "mirroring": lost_mirroring,
}


def breakings_of(file: ModelFile) -> dict[str, Breaking]:
    """Return how a file can be broken, by name."""
    return BREAKINGS | ({"activation scale": cut_activations} if file.spec.precision == "int8" else {})


def _row(name: str, proof: Proof) -> str:
    build = proof.build.figures.error_worst, proof.build.limits.error_worst
    constants = "" if proof.constants is None else f"{proof.constants.figures.error_worst:.2e}"
    return f"| {name} | {build[0]:.2e} | {build[1]:.2g} | {constants} | {'passed' if proof.passed else 'FAILED'} |"


def main(models: list[str]) -> None:
    """Print the table of each of `models`."""
    for model in map(Path, models):
        print(f"\n{model}\n\n| build | error | allowed | constants' error | verdict |\n|---|---|---|---|---|")
        for optimise in (True, False):
            name = "as it is" if optimise else "as it is, without fusions"
            print(_row(name, prove_file(model, Runs(optimise=optimise))))
        with tempfile.TemporaryDirectory() as folder:
            for name, breaking in breakings_of(ModelFile.open(model)).items():
                broken = write_broken(model, breaking, Path(folder) / "broken.onnx")
                print(_row(name, prove_file(broken, Runs())))


if __name__ == "__main__":
    main(sys.argv[1:])
