import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import load_model, write_model
from pptsn.convert.graph.network import extract_network, load_network
from pptsn.convert.graph.session import NetworkSession
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import normalise
from tests.models import tiny_network, tiny_spec, write_foreign_model, write_tiny_model

# In a process of its own, as the bound is a process's.
BOMB = """
import sys
import numpy as np
from onnx import parser
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from pptsn.runtime.base.errors import ModelError
from tests.models import tiny_spec
graph = '''<ir_version: 9, opset_import: ["" : 17]>
    bomb (float[B, 3, 32, 32] views) => (float[B, 4] view_logits)
    <int64[2] shape = {1000, VALUES}, int64[2] ones = {1, 1}, float[1, 4] row = {1, 1, 1, 1}> {
        least = ReduceMin<keepdims = 0>(views)
        one = Reshape(least, ones)
        big = Expand(one, shape)
        total = ReduceMax(big)
        view_logits = MatMul(total, row)
    }'''
for thousands in (1, 100_000):  # 400 MB
    network = Network(parser.parse_model(graph.replace("VALUES", str(thousands))), tiny_spec(), source="m.onnx")
    try:
        print(NetworkSession(network).logits(np.ones((1, 3, 32, 32), np.float32)).shape)
    except ModelError as error:
        print(error)
"""
CROPS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("mirror", [True, False])
def test_the_network_comes_out_as_it_went_in(tmp_path: Path, mirror: bool) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", mirror=mirror)
    network = load_network(path)
    spec = network.spec
    onnx.checker.check_model(network.model, full_check=True)
    assert [node.op_type for node in network.graph.node] == ["Conv", "Flatten"]
    assert not [name for node in network.graph.node for name in node.input if "/" in name]
    views = normalise(CROPS, mean=spec.mean, std=spec.std)
    plain = write_tiny_model(tmp_path / "plain.onnx", mirror=False)
    with open_engine(plain, device="cpu") as engine:
        np.testing.assert_allclose(NetworkSession(network).logits(views), engine.infer(CROPS), atol=1e-5)


def test_a_network_takes_no_more_memory_than_models_may() -> None:
    environment = {**os.environ, "PPTSN_MAX_MODEL_MB": "100"}
    command = [sys.executable, "-c", BOMB]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == [
        "(1, 4)",
        "m.onnx: needs more memory than the 100 MB that models may take; "
        "take a model that you trust, or allow more by PPTSN_MAX_MODEL_MB=...",
    ], ended.stderr


@pytest.mark.parametrize("mirror", [True, False])
def test_a_network_that_is_put_back_gives_the_same_file(tmp_path: Path, mirror: bool) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", mirror=mirror)
    network = load_network(path)
    before = network.model.SerializeToString()
    network.write(tmp_path / "again.onnx")
    assert network.model.SerializeToString() == before
    with open_engine(path, device="cpu") as first, open_engine(tmp_path / "again.onnx", device="cpu") as second:
        assert np.array_equal(first.infer(CROPS), second.infer(CROPS))
        assert first.spec == second.spec


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_model_that_was_converted_already_is_refused(tmp_path: Path, precision: str) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", precision=precision)
    with pytest.raises(ModelError, match=f"is {precision} already, expected the FP32 model"):
        load_network(path)


def test_a_graph_of_other_making_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no PP-TSN model"):
        load_network(write_foreign_model(tmp_path / "foreign.onnx"))
    write_model(tiny_network(), tiny_spec(), tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="no deployment graph"):
        load_network(tmp_path / "bare.onnx")


def test_a_network_with_two_results_is_refused() -> None:
    model, spec = compose_deployment(tiny_network(), tiny_spec(), mirror=False)
    model.graph.output.append(onnx.helper.make_tensor_value_info("network/planes", onnx.TensorProto.FLOAT, None))
    with pytest.raises(ModelError, match="gives"):
        extract_network(model, spec, source="m.onnx")


def test_what_was_written_is_loaded(tmp_path: Path) -> None:
    model, spec = load_model(write_tiny_model(tmp_path / "m.onnx"))
    assert spec == tiny_spec(mirror=True)
    assert model.graph.name == "pptsn"


def test_a_convolution_without_a_bias_is_named(tmp_path: Path) -> None:
    network = load_network(write_tiny_model(tmp_path / "m.onnx"))
    (convolution,) = network.convolutions.values()
    assert network.weights(convolution).shape == (4, 3, 32, 32)
    with pytest.raises(
        ModelError, match=r"m\.onnx: its convolution 'Conv:planes' has no bias.*pptsn convert onnx"
    ):
        network.bias(convolution)
