import pytest

from pptsn.convert.int8.placement import make_plan
from pptsn.runtime.base.errors import ModelError
from tests.convert.residual_network import CONVOLUTIONS, residual_model, residual_network


def readers(placement: str, **changes: object) -> dict[str, set[str]]:
    plan = make_plan(residual_network(), placement, **changes)  # type: ignore[arg-type]
    return {point.tensor: {name for name, _ in point.readers} for point in plan.points}


def test_the_shortcut_is_the_way_past_fewer_convolutions() -> None:
    network = residual_network()
    assert [network.shortcut(add) for add in network.residual_adds] == ["b", "c"]


def test_two_branches_of_one_length_have_no_shortcut() -> None:
    model = residual_model()
    main2 = next(node for node in model.graph.node if node.name == "main2")
    main2.input[0] = "p"
    with pytest.raises(ModelError, match="add1"):
        make_plan(residual_network(model), "residual")


def test_convolutions_quantizes_what_convolutions_read() -> None:
    expected = {
        "views": {"stem"},
        "x": {"main1"},
        "a1": {"main2"},
        "p": {"short"},
        "c": {"same1"},
        "d1": {"same2"},
    }
    assert readers("convolutions") == expected


def test_residual_adds_the_shortcut_side_of_each_add_and_not_the_other() -> None:
    plan = readers("residual")
    assert plan["b"] == {"add1"}
    assert plan["c"] == {"same1", "add2"}
    assert not {"a2", "d2"} & plan.keys()


def test_everything_quantizes_what_fused_kernels_write_up_to_the_pooled_features() -> None:
    plan = make_plan(residual_network(), "everything")
    assert set(plan.tensors) == {"views", "s", "x", "a1", "a2", "p", "b", "c", "d1", "d2", "e"}
    assert plan.quantize_bias
    assert dict(plan.scale_of) == {"x": "s"}


def test_skipped_convolutions_read_no_quantized_tensor_on_cpus_either() -> None:
    plan = make_plan(residual_network(), "everything", skip=["main2", "short"])
    quantized = {name for point in plan.points for name, _ in point.readers}
    assert not {"main2", "short"} & quantized
    assert "a1" not in plan.tensors
    assert plan.convolutions == ("stem", "main1", "same1", "same2")


def test_skipped_convolutions_keep_weights_and_input() -> None:
    plan = make_plan(residual_network(), "residual", skip=["stem", "same1"])
    assert plan.convolutions == tuple(name for name in CONVOLUTIONS if name not in ("stem", "same1"))
    inputs = {point.tensor: {name for name, _ in point.readers} for point in plan.points}
    assert "views" not in inputs
    assert inputs["c"] == {"add2"}
