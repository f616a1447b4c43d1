import numpy as np
import pytest

from pptsn.convert.graph.compensation import (
    compensate,
    input_moments,
    round_convolutions,
    to_nearest_fp16,
    with_rounded,
)
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from tests.convert.residual_network import CONVOLUTIONS, residual_network, views
from tests.models import tiny_network, tiny_spec

STEP = 1 / 16


def to_step(column: np.ndarray) -> np.ndarray:
    return np.rint(column / STEP) * STEP


def alike_inputs(count: int, size: int) -> np.ndarray:
    """Return 1 and positive inputs that go up and down together, as behind a Relu: (count, size + 1)."""
    rng = np.random.default_rng(0)
    inputs = np.abs(1 + 0.5 * rng.normal(size=(count, 1)) + 0.2 * rng.normal(size=(count, size)))
    return np.concatenate([np.ones((count, 1)), inputs], axis=1).astype(np.float32)


def test_errors_cancel_on_inputs_like_those_of_the_moments() -> None:
    inputs = alike_inputs(4000, 200)
    moments = inputs[:2000].T @ inputs[:2000] / 2000
    weights = np.random.default_rng(1).normal(0, 0.5, (8, 200, 1, 1)).astype(np.float32)
    bias = np.zeros(8, np.float32)
    rounded = compensate(weights, bias, moments, to_step)
    exact = inputs[2000:, 1:] @ weights.reshape(8, -1).T
    plain = inputs[2000:, 1:] @ to_step(weights).reshape(8, -1).T
    found = inputs[2000:, 1:] @ rounded.weights.reshape(8, -1).T + rounded.bias
    assert np.sqrt(np.mean((found - exact) ** 2)) < 0.5 * np.sqrt(np.mean((plain - exact) ** 2))


def test_every_weight_is_what_the_format_holds_and_close_to_what_it_was() -> None:
    inputs = alike_inputs(1000, 300)  # more than one block
    weights = np.random.default_rng(1).normal(0, 0.5, (4, 300, 1, 1)).astype(np.float32)
    rounded = compensate(weights, np.full(4, 0.1, np.float32), inputs.T @ inputs / 1000, to_step)
    assert np.array_equal(rounded.weights, to_step(rounded.weights))
    assert np.array_equal(rounded.bias, rounded.bias.astype(np.float16))
    assert np.abs(rounded.weights - weights).max() < 3 * STEP


def test_inputs_that_are_always_zero_are_no_obstacle() -> None:
    moments = np.zeros((5, 5), np.float32)
    moments[0, 0] = 1
    weights = np.ones((2, 4, 1, 1), np.float32) / 3
    rounded = compensate(weights, np.zeros(2, np.float32), moments, to_step)
    assert np.array_equal(rounded.weights, to_step(weights))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_moments_are_those_of_what_the_convolution_reads(name: str) -> None:
    network, batch = residual_network(), views(64)
    moments = input_moments(network, batch)[name]
    values = {tensor.name: np.frombuffer(tensor.raw_data, np.float32) for tensor in network.graph.initializer}
    weights, bias = values[f"{name}_w"], values[f"{name}_b"]
    outputs = len(bias)
    rows = np.concatenate([bias[:, None], weights.reshape(outputs, -1)], axis=1)
    # The mean square of each output, by the moments and by running the convolution on the same views.
    found = np.einsum("oi,ij,oj->o", rows, moments, rows)
    output = next(node.output[0] for node in network.graph.node if node.name == name)
    mirrored = batch.copy()
    mirrored[1::2] = mirrored[1::2, ..., ::-1]
    squares = [v[output] ** 2 for v in NetworkSession(network, tensors=[output]).watch(mirrored)]
    expected = np.concatenate(squares).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=0.2)
    assert moments[0, 0] == pytest.approx(1)


def test_a_network_rounded_with_compensation_answers_better() -> None:
    network = residual_network()
    moments = input_moments(network, np.abs(views(64)))
    batch = np.abs(views(64, seed=1))
    exact = NetworkSession(network).logits(batch)
    errors = {}
    for kind, rounded in {
        "plain": {},
        "compensated": round_convolutions(network, moments, lambda weights: to_nearest_fp16),
    }.items():
        if not rounded:
            identity = {name: np.eye(len(m), dtype=np.float32) for name, m in moments.items()}
            rounded = round_convolutions(network, identity, lambda weights: to_nearest_fp16)
        changed = with_rounded(network, rounded, CONVOLUTIONS)
        errors[kind] = np.abs(NetworkSession(changed).logits(batch) - exact).mean()
    assert 0 < errors["compensated"] < 0.85 * errors["plain"]


def test_only_the_convolutions_named_are_changed() -> None:
    network = residual_network()
    rounded = round_convolutions(network, input_moments(network, views(8)), lambda weights: to_step)
    changed = with_rounded(network, rounded, ["stem"])
    before = {t.name: t.raw_data for t in network.graph.initializer}
    assert {t.name for t in changed.graph.initializer if t.raw_data != before[t.name]} == {"stem_w", "stem_b"}


def test_a_network_of_one_convolution_has_moments_too() -> None:
    model = tiny_network()
    model.graph.input[0].name = model.graph.node[0].input[0] = "views"
    model.graph.node[0].name = "only"
    network = Network(model, tiny_spec(), source="m.onnx")
    (moments,) = input_moments(network, np.ones((4, 3, 32, 32), np.float32)).values()
    assert moments.shape == (3 * 32 * 32 + 1,) * 2
    assert np.allclose(moments, 1)
