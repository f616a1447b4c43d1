"""Plans by TensorRT 8.5, the newest whose libraries are wheels on the ordinary index.

It differs from 10 and later: opset 13 at most, networks are weakly typed (FP16 is allowed, not asked for), the
batch has to be explicit, and each execution context needs an optimisation profile of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from pptsn.runtime.base.errors import MissingDependencyError, ModelError, install_command
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.engines.tensorrt.api import TensorRT
from pptsn.runtime.engines.tensorrt.cuda import open_cuda
from pptsn.runtime.engines.tensorrt.plan import Plan
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import Manifest

_OPSET, _IR = 13, 7
_WORKSPACE_BYTES = 8 << 30
# Contexts of an engine: two batches, and a graph of each.
_CONTEXTS = 4


def build(library: TensorRT, model: Path, plan: Path, profile: tuple[int, int, int]) -> None:
    """Build `model` into `plan`, with its manifest.

    profile: the smallest, best and largest number of crops.  Raises ModelError in the builder's own words.
    """
    file = ModelFile.open(model)
    cuda, trt = open_cuda(0), library.module
    logger = library.logger()
    logger.clear()
    with cuda.current():
        builder = trt.Builder(logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse(lowered(model)):
            raise ModelError(model, f"TensorRT {library.version_text} refuses it ({parser.get_error(0)})")
        content = builder.build_serialized_network(network, _config(trt, builder, network, file, profile))
    if content is None:
        raise ModelError(
            model, f"TensorRT {library.version_text} built no plan ({'; '.join(logger.errors()[-3:])})"
        )
    data = bytes(memoryview(content))
    with atomic_file(plan) as temporary:
        temporary.write_bytes(data)
    Manifest(
        spec=file.spec,
        plan_sha256=hashlib.sha256(data).hexdigest(),
        onnx_sha256=file.sha256,
        onnx_name=model.name,
        builder=library.name,
        builder_version=library.version_text,
        machine=platform.machine(),
        cuda_version=cuda.cuda_version,
        gpu_name=cuda.name,
        compute_capabilities=(cuda.compute_capability,),
        precision=file.spec.precision,
        profile=profile,
    ).write(plan)


def _config(trt: Any, builder: Any, network: Any, file: ModelFile, profile: tuple[int, int, int]) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.set_tactic_sources(0)  # cuBLAS and cuDNN need not be there
    if file.spec.precision in ("fp16", "int8"):
        config.set_flag(trt.BuilderFlag.FP16)
    if file.spec.precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)
    crops = network.get_input(0)
    for _ in range(_CONTEXTS):
        each = builder.create_optimization_profile()
        each.set_shape(crops.name, *((count, *tuple(crops.shape)[1:]) for count in profile))
        config.add_optimization_profile(each)
    return config


@contextmanager
def a_profile_for_each_context() -> Iterator[None]:
    """Let each execution context that is made inside the block take the next optimisation profile of its plan."""
    numbers, new_context = itertools.count(), Plan.new_context

    def numbered(plan: Plan) -> Any:
        context = new_context(plan)
        if number := next(numbers):  # the first one has profile 0 as it is
            context.set_optimization_profile_async(number, 0)
        return context

    with mock.patch.object(Plan, "new_context", numbered):
        yield


def lowered(model: Path) -> bytes:
    """Return the deployment graph of `model` in opset 13, its FP16 constants beside INT8 in FP32.

    ReduceMean has its axes as an attribute there, and (de)quantization no attribute but its axis.
    """
    try:
        import onnx
    except ImportError as error:
        cause = f"lowering a model's opset needs it ({error})"
        raise MissingDependencyError("onnx", cause, f"run: {install_command('convert')}") from error
    proto = onnx.load(str(model))
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "ReduceMean" and len(node.input) == 2:
            axes = onnx.numpy_helper.to_array(constants[node.input[1]]).tolist()
            del node.input[1:]
            node.attribute.append(onnx.helper.make_attribute("axes", axes))
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            kept = [attribute for attribute in node.attribute if attribute.name == "axis"]
            del node.attribute[:]
            node.attribute.extend(kept)
    if ModelFile.open(model).spec.precision == "int8":
        _widen(onnx, proto)
    del proto.graph.value_info[:]
    versions = [entry for entry in proto.opset_import if entry.domain == ""]
    del proto.opset_import[:]
    proto.opset_import.append(versions[0])
    proto.opset_import[0].version, proto.ir_version = _OPSET, _IR
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content


def _widen(onnx: Any, proto: Any) -> None:
    """Make the FP16 constants and casts of a graph FP32."""
    for node in proto.graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT16:
            node.attribute[0].i = onnx.TensorProto.FLOAT
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
