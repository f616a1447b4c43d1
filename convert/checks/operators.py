"""Rules about operators, element types and constant values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import TensorProto

from pptsn.convert.checks.finding import Finding
from pptsn.convert.graph.view import DEFAULT_DOMAINS, GraphView, node_name, type_name

# An allow-list: a new operator has to be looked up before it passes.  These are listed as supported in the
# operator table of onnx-tensorrt since release 8.4, and answered for by the parser of TensorRT-RTX 1.7
# (`OnnxParser.supports_operator`, which the tests ask again).
_NAMES = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Celu Clip Concat Constant ConstantOfShape
    Conv ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand Flatten
    Floor Gather GatherElements GatherND Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid
    Identity InstanceNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LRN LpNormalization MatMul Max MaxPool
    Mean Min Mul Neg Not Or Pad Pow PRelu QuantizeLinear Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements
    ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub
    Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Where Xor
"""
SUPPORTED = frozenset(_NAMES.split())
_TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
}
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}
# Operators whose tensors all have one type: a strongly typed network converts nothing by itself.
_ONE_TYPE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Conv", "ConvTranspose", "Gemm", "MatMul", "Concat", "Max", "Min", "Sum", "Mean"}
)


def supported_operators(view: GraphView) -> Iterator[Finding]:
    """Every operator is one that the parser of every supported TensorRT knows."""
    for node in view.nodes:
        if node.domain in DEFAULT_DOMAINS and node.op_type not in SUPPORTED:
            yield Finding(
                node_name(node),
                f"operator {node.op_type} is not among those that TensorRT is known to take",
                "make the model from operators that it takes: those of `pptsn convert onnx` are",
            )


def supported_types(view: GraphView) -> Iterator[Finding]:
    """Every tensor has a type that TensorRT computes with on every supported GPU."""
    for tensor, element_type in view.types.items():
        if element_type not in _TYPES and element_type != TensorProto.UNDEFINED:
            yield Finding(
                view.node_of(tensor),
                f"the tensor {tensor!r} is {type_name(element_type)}, which TensorRT does not take everywhere",
                "use FLOAT or FLOAT16, and INT64 for shapes",
            )


def one_float_type(view: GraphView) -> Iterator[Finding]:
    """The inputs of an operator share one float type."""
    for node in view.nodes:
        if node.op_type not in _ONE_TYPE:
            continue
        found = {view.types[name] for name in node.input if view.types.get(name) in _FLOATS}
        if len(found) > 1:
            types = ", ".join(f"{name!r} {view.type_name(name)}" for name in node.input if name)
            yield Finding(
                node_name(node),
                f"{node.op_type} mixes types ({types}), which a strongly typed network may not",
                "put a Cast before one of them, or convert again by: pptsn convert fp16",
            )


def finite_constants(view: GraphView) -> Iterator[Finding]:
    """No constant is infinite or not a number: it would make every answer so."""
    for name, tensor in view.initializers.items():
        if tensor.data_type not in _FLOATS:
            continue
        value = view.value(name)
        if value is not None and not np.isfinite(value).all():
            count = int(np.count_nonzero(~np.isfinite(value)))
            yield Finding(
                view.node_of(name),
                f"the constant {name!r} has {count} values that are not finite in {view.type_name(name)}",
                "keep that layer in FP32, or train again",
            )
