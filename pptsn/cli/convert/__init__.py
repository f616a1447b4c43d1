"""The commands of `pptsn convert`."""

from __future__ import annotations

from pptsn.cli.lazy import lazy_app

app = lazy_app(
    {
        "onnx": (
            "pptsn.cli.convert.onnx:convert_onnx",
            "Convert an export to one ONNX file: uint8 crops in, logits out.",
        ),
        "fp16": (
            "pptsn.cli.convert.fp16:convert_fp16",
            "Convert an FP32 model to FP16: half the size, and twice the speed on a GPU.",
        ),
        "int8": (
            "pptsn.cli.convert.int8:convert_int8",
            "Quantize an FP32 model to INT8 after training, on real frames.",
        ),
        "check": (
            "pptsn.cli.convert.check:check",
            "Say what TensorRT would refuse about a model, from its graph alone.",
        ),
        "engine": (
            "pptsn.cli.convert.engine:engine",
            "Build a TensorRT plan and its manifest from an ONNX file.",
        ),
    },
    help="Convert a Paddle export to the files that devices run.",
)
