"""Training rounds where an INT8 file does, by its scales: every decision of every operator is compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.graph.network import Network, load_network
from pptsn.convert.graph.session import NetworkSession
from pptsn.convert.int8.calibration import observe
from pptsn.convert.int8.options import Recipe
from pptsn.convert.int8.search import Quantizer, tensors_of
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.activations import ActivationScale, activations_as_json
from tests.training.narrow import narrow_networks

pytest.importorskip("paddle")
Places = dict[tuple[str, int, int], np.ndarray]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a narrow network whose batch norms have something to fold."""
    from pptsn.training.network._paddle import paddle
    from pptsn.training.network.resnet_vd import PPTSN
    from pptsn.training.network.weights import save_weights

    rng = np.random.default_rng(0)
    paddle.seed(0)
    with narrow_networks():
        state = {name: value.numpy() for name, value in PPTSN(18, 3).state_dict().items()}
    for name, values in state.items():
        if "_batch_norm" in name:
            low, high = (-0.5, 0.5) if name.endswith(("bias", "_mean")) else (0.5, 2)
            state[name] = rng.uniform(low, high, values.shape).astype(np.float32)
    state["head.fc.weight"] *= 100
    path = tmp_path_factory.mktemp("weights") / "w.pdparams"
    save_weights(state, path)
    return path


@pytest.fixture(scope="module")
def network(weights: Path) -> Network:
    from pptsn.training.export import ExportOptions, export_model

    labels = weights.with_name("labels.txt")
    labels.write_text("red\ngreen\nblue\n")
    options = ExportOptions(labels=labels, crop_size=32, short_side=40)
    with narrow_networks():
        export_model(weights, weights.with_name("export"), options=options)
    convert_to_onnx(weights.with_name("export"), weights.with_name("m.onnx"))
    return load_network(weights.with_name("m.onnx"))


def views_of(network: Network) -> np.ndarray:
    spec = network.spec
    return normalise(drawn_crops(8, spec.crop_size), mean=spec.mean, std=spec.std)


def dequantized(network: Network, views: np.ndarray) -> tuple[Places, np.ndarray]:
    """Return what operators read dequantized, by operator, number and input, and the logits."""
    activations = {node.input[0] for node in network.of_kind("DequantizeLinear")} - set(network.initializers)
    names = {f"{name.removesuffix('_quantized')}_dequantized" for name in activations}
    places: dict[tuple[str, int, int], str] = {}
    counts: Counter[str] = Counter()
    for node in network.nodes:
        for index, name in enumerate(node.input):
            if name in names:
                places[node.op_type, counts[node.op_type], index] = name
        counts[node.op_type] += 1
    session = NetworkSession(network, tensors=list(dict.fromkeys(places.values())), optimise=False)
    batches = list(session.watch(views))
    values = {place: np.concatenate([batch[name] for batch in batches]) for place, name in places.items()}
    return values, session.logits(views)


@pytest.mark.parametrize(
    ("target", "placement", "skipped"),
    [
        ("cpu", "everything", ("Conv.4",)),
        ("tensorrt", "residual", ()),
        ("tensorrt", "convolutions", ("Conv.0", "Conv.7")),
    ],
)
def test_each_rounding_of_training_is_that_of_the_file(
    network: Network,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    placement: str,
    skipped: tuple[str, ...],
) -> None:
    """Each operator of the file's own input: one decision taken otherwise would change all that come behind it."""
    from pptsn.training.network import int8
    from pptsn.training.network._paddle import paddle
    from pptsn.training.network.resnet_vd import PPTSN
    from pptsn.training.network.weights import apply_checkpoint, read_checkpoint

    views = views_of(network)
    quantizer = Quantizer(network, target, observe(network, tensors_of(network, target), views), views)
    recipe = Recipe(target, "percentile-99", placement, skipped)
    facts = {"target": target, "activations": activations_as_json(quantizer.activations(recipe))}
    quantized = quantizer.build(recipe)
    quantized.write(tmp_path / "m.int8.onnx", quantization=facts)
    values, logits = dequantized(quantized, views)
    off: dict[tuple[str, int, int], np.ndarray] = {}

    class Following(int8._Rounding):
        def __init__(self, scale: ActivationScale, *, signed: bool) -> None:
            super().__init__(scale, signed=signed)
            self.place = scale.place

        def __call__(self, x: Any) -> Any:
            own, expected = super().__call__(x).numpy(), values[self.place]
            off[self.place] = np.abs(own - expected) > 0.01 * float(self.scale)
            return paddle.to_tensor(expected)

    monkeypatch.setattr(int8, "_Rounding", Following)
    with narrow_networks():
        model = PPTSN(18, 3)
        apply_checkpoint(model, read_checkpoint(weights, depth=18, classes=3))
    model.eval()
    line = int8.round_as(model, tmp_path / "m.int8.onnx")
    assert (
        f"training rounds {len(network.convolutions) - len(skipped)} convolutions as this file for {target} does"
        in line
    )
    with paddle.no_grad():
        found = model.view_logits(paddle.to_tensor(views)).numpy()
    assert off.keys() == values.keys()
    # Sums in another order fall on the other side of a step now and then.
    share = np.concatenate([each.ravel() for each in off.values()]).mean()
    assert share < 5e-5
    np.testing.assert_allclose(found, logits, atol=1e-3 * float(np.abs(logits).max()))
