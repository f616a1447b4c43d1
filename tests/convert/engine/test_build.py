from __future__ import annotations

from pptsn.convert.engine.build import convolution_precisions


def layer(name: str, kind: str, first: str, metadata: str, *, mark: str = "") -> str:
    return (
        f"Name: {name}, LayerType: {kind}, Inputs: [ {{ Name: x, Dimensions: [-1,64,56,56], Strides: [1,2], "
        f"Datatype: {first}, Format: (NHWC) Channel major format }}, {{ Name: y, Datatype: Half }}], "
        f"Constants: [ {{ Name: w, Datatype: Int8 }}], Outputs: [ {{ Name: z, Datatype: Float }}], "
        f"TacticName: t, StreamId: 0, Metadata: {metadata}{mark}"
    )


def test_the_first_input_of_a_convolution_tells() -> None:
    log = [
        "Engine generation completed in 0.5 seconds.",
        layer("a", "correlation", "Int8", "[ONNX Layer: conv.1][ONNX Layer: conv.1/dq]")
        + "\n"
        + layer("b", "CaskConvolution", "Half", "[ONNX Layer: conv.2]"),
        layer("c", "correlation", "Float", "[ONNX Layer: conv.3]"),
    ]
    found = convolution_precisions(log, ["conv.1", "conv.2", "conv.3", "conv.4"])
    assert found == {"conv.1": "int8", "conv.2": "fp16", "conv.3": "fp32"}


def test_what_was_split_off_a_convolution_does_not_count() -> None:
    log = [
        layer("a", "correlation", "Int8", "[ONNX Layer: conv.1]"),
        layer("b", "kgen", "Float", "[ONNX Layer: conv.1][ONNX Layer: relu.1]"),
    ]
    assert convolution_precisions(log, ["conv.1"]) == {"conv.1": "int8"}
    assert convolution_precisions(log[1:], ["conv.1"]) == {}


def test_a_small_convolution_may_be_a_matrix_product() -> None:
    log = [layer("a", "runtime_fusion", "Half", "[ONNX Layer: conv.1]", mark="__gemm_from_conv1x1")]
    assert convolution_precisions(log, ["conv.1"]) == {"conv.1": "fp16"}


def test_the_older_spelling_of_types_is_read() -> None:
    line = layer("a", "CaskConvolution", "Int8", "[ONNX Layer: conv.1]")
    line = line.replace(
        "Datatype: Int8, Format: (NHWC) Channel major format", "Format/Datatype: Row major Int8 format"
    )
    assert convolution_precisions([line], ["conv.1"]) == {"conv.1": "int8"}


def test_nothing_is_claimed_of_a_log_that_reads_otherwise() -> None:
    log = ["Layer(CaskConvolution): conv.1, Tactic: 0x1, x (Int8) -> y (Int8)", "LayerType: correlation"]
    assert convolution_precisions(log, ["conv.1"]) == {}
