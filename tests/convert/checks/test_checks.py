"""The lint: each planted fault is found at its node, and nothing in good models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pptsn.convert.checks import RULES, check_file, find_faults, require_buildable
from pptsn.convert.checks.operators import SUPPORTED
from pptsn.convert.graph.view import GraphView
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines.tensorrt.api import import_tensorrt
from tests.convert.checks.broken_models import FAULTS, Fault, broken, good, node_of
from tests.convert.engine.models import VARIANTS, write_variant
from tests.models import tiny_network, tiny_spec, write_foreign_model
from tests.rtx import require_rtx


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_planted_fault_is_found_at_its_node(fault: Fault) -> None:
    findings = [finding for finding in find_faults(broken(fault)) if finding.refused]
    told = [finding for finding in findings if fault.cause in finding.cause]
    assert told, f"found {[str(finding) for finding in findings]}"
    assert told[0].thing.endswith(fault.thing)
    assert told[0].remedy


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_found_in_a_good_model(variant: str, tmp_path: Path) -> None:
    path = write_variant(tiny_network(), tiny_spec(), variant, tmp_path / "m.onnx")
    assert check_file(path) == []


def test_every_refusing_rule_has_a_planted_fault() -> None:
    views = [GraphView(broken(fault)) for fault in FAULTS]
    idle = {rule.__name__ for rule in RULES if not any(list(rule(view)) for view in views)}
    assert idle == {"additions", "half_quantized"}  # advice, tested below


def test_the_model_stays_as_it_was() -> None:
    model = good("int8+fp16")
    before = model.SerializeToString()
    find_faults(model)
    assert model.SerializeToString() == before


def test_a_model_for_cpus_is_sent_to_the_other_target() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "uint8 activations")
    findings = find_faults(broken(fault))
    assert "UINT8 is the encoding for CPUs" in findings[0].cause
    assert findings[0].remedy == "quantize again by: pptsn convert int8 --target tensorrt"


def test_an_addition_with_both_sides_quantized_is_advice() -> None:
    model = good("int8")
    dequantized = node_of(model, "planes/dq").output[0]
    model.graph.node.append(helper.make_node("Add", [dequantized, dequantized], ["sum"], "residual"))
    (finding,) = find_faults(model)
    assert (finding.thing, finding.refused) == ("residual", False)
    require_buildable(model, "m.onnx")


def test_a_convolution_that_is_quantized_by_half_is_advice() -> None:
    model = good("int8")
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.input[1] = "network/weight"
    (finding,) = find_faults(model)
    assert "its weights are not quantized" in finding.cause
    assert not finding.refused


def test_weights_of_a_matrix_product_are_quantized_along_its_own_axis() -> None:
    for transposed, axis, faults in ((1, 0, 0), (1, 1, 1), (0, 1, 0), (0, 0, 1)):
        model = gemm(transposed, axis)
        found = [finding for finding in find_faults(model) if "expected axis" in finding.cause]
        assert len(found) == faults, (transposed, axis)


def gemm(transposed: int, axis: int) -> onnx.ModelProto:
    """Return the tiny model with a quantized (8, 8) matrix product beside it."""
    model = good("fp32")
    constants = {
        "g_int8": np.ones((8, 8), np.int8),
        "g_scale": np.ones(8, np.float32),
        "g_zero": np.zeros(8, np.int8),
        "g_data": np.ones((1, 8), np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("DequantizeLinear", ["g_int8", "g_scale", "g_zero"], ["g"], "g_dq", axis=axis),
            helper.make_node("Gemm", ["g_data", "g"], ["g_out"], "g_gemm", transB=transposed),
        ]
    )
    return model


def test_the_first_fault_and_their_number_make_one_line() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "zero point")
    with pytest.raises(ModelError) as error:
        require_buildable(broken(fault), "m.onnx")
    assert str(error.value) == (
        "m.onnx: TensorRT would refuse it: network/planes/q: its zero point is 3, TensorRT takes 0 alone "
        "(and 1 more fault: pptsn convert check m.onnx); quantize again by: pptsn convert int8 --target tensorrt"
    )


def test_a_file_that_is_no_model_of_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no PP-TSN model"):
        check_file(write_foreign_model(tmp_path / "other.onnx"))


def test_every_operator_that_passes_is_known_to_the_parser() -> None:
    require_rtx()
    library = import_tensorrt("tensorrt-rtx")
    builder = library.module.Builder(library.logger())
    network = builder.create_network(0)
    parser = library.module.OnnxParser(network, library.logger())
    assert {name for name in SUPPORTED if not parser.supports_operator(name)} == set()
    assert not parser.supports_operator("DynamicQuantizeLinear")
