"""Features beside the logits: what every backend gives, and what it costs who does not ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.graph.classifier import find_classifier
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.convert.graph.session import NetworkSession
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.onnxruntime import engine as onnxruntime_engine
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.file import sealed
from tests.convert.proven_models import PRECISIONS, write_proven
from tests.convert.residual_network import CLASSES, FEATURES, SIZE, residual_model, residual_network, residual_spec
from tests.models import needs_openvino, write_tiny_model
from tests.runtime.engines.onnxruntime.cuda_build import CUDA, TENSORRT, CudaBuild
from tests.runtime.engines.onnxruntime_rtx.rtx_plugin import RtxPlugin

CROPS = np.random.default_rng(0).integers(0, 256, (70, SIZE, SIZE, 3), np.uint8)
BACKENDS = ["onnxruntime", pytest.param("openvino?cache=0", marks=needs_openvino)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The residual network in each precision."""
    return {each: write_proven(tmp_path_factory.mktemp("models"), each) for each in PRECISIONS}


@pytest.fixture(scope="module")
def pooled() -> np.ndarray:
    """The pooled vectors of CROPS by the FP32 network: the mean of each crop's and its mirror image's."""
    network, spec = residual_network(), residual_spec()
    session = NetworkSession(network, tensors=["f"])
    both = np.stack([CROPS, CROPS[:, :, ::-1]], axis=1).reshape(-1, SIZE, SIZE, 3)
    views = normalise(both, mean=spec.mean, std=spec.std)
    found = np.concatenate([values["f"] for values in session.watch(views)])
    return found.reshape(len(CROPS), 2, -1).mean(axis=1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_classifier_makes_the_logits_of_the_features(
    models: dict[str, Path], backend: str, precision: str
) -> None:
    """In INT8 too: what is quantized ends before the pooled vector."""
    classifier = find_classifier(residual_network())
    assert classifier is not None
    batch = CROPS[:23]
    with open_engine(models[precision], backend=backend, device="cpu") as engine:
        assert engine.features == engine.spec.features == FEATURES
        logits, features = engine.infer_with_features(batch)
        assert (features.shape, features.dtype) == ((23, FEATURES), np.float32)
        np.testing.assert_allclose(logits, engine.infer(batch), rtol=1e-5, atol=1e-5)
    rounding = 0.02 if precision in ("fp16", "int8-tensorrt") else 1e-4  # of weights in FP16
    np.testing.assert_allclose(classifier.logits(features), logits, atol=rounding)


@pytest.mark.parametrize("backend", BACKENDS)
def test_features_are_the_pooled_vectors_of_a_crop_and_its_mirror_image(
    models: dict[str, Path], pooled: np.ndarray, backend: str
) -> None:
    check(open_engine(models["fp32"], backend=backend, device="cpu"), pooled)


@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_with_and_without_features_take_turns(models: dict[str, Path], backend: str) -> None:
    with open_engine(models["fp32"], backend=backend, device="cpu") as engine:
        logits, features = engine.infer_with_features(CROPS[:3])
        for asked in (True, False, True):
            room, *others = engine.new_batches(5, features=asked)
            room.crops[:3] = CROPS[:3]
            room.submit(3)
            expected = np.concatenate([logits, features], axis=1) if asked else logits
            np.testing.assert_allclose(room.collect(), expected, atol=1e-5)
            for each in (room, *others):
                each.close()


def test_onnxruntime_is_asked_for_what_is_wanted_alone(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    run = onnxruntime_engine.run_session
    monkeypatch.setattr(
        onnxruntime_engine,
        "run_session",
        lambda session, names, fed: asked.append(names) or run(session, names, fed),
    )
    with open_engine(models["fp32"], backend="onnxruntime", device="cpu") as engine:
        engine.infer(CROPS[:1])
        engine.infer_with_features(CROPS[:1])
    assert asked == [["logits"], ["logits", "features"]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_of_an_older_release_gives_its_logits_and_says_what_to_do(tmp_path: Path, backend: str) -> None:
    network = residual_model()
    del network.graph.output[1:]
    graph, spec = compose_deployment(network, residual_spec(), mirror=True)
    path = tmp_path / "old.onnx"
    write_model(graph, spec, path)
    with open_engine(path, backend=backend, device="cpu") as engine:
        assert engine.infer(CROPS[:2]).shape == (2, CLASSES)
        with pytest.raises(
            UsageError, match=r"^features: the model gives logits alone, .*convert it again by this"
        ):
            engine.infer_with_features(CROPS[:2])
        with pytest.raises(UsageError, match="features: the model gives logits alone"):
            engine.new_batches(features=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("features", [0, FEATURES - 1, FEATURES + 1])
def test_a_graph_that_gives_other_features_than_its_spec_says_is_refused(
    tmp_path: Path, backend: str, features: int
) -> None:
    graph, _ = compose_deployment(residual_model(), residual_spec(), mirror=True)
    (tmp_path / "m.onnx").write_bytes(sealed(graph.SerializeToString(), residual_spec(features=features)))
    with pytest.raises(ModelError, match=r"m\.onnx: .*features.*expected"):
        open_engine(tmp_path / "m.onnx", backend=backend, device="cpu")


@pytest.mark.parametrize("tuning", ["fast", "full"])
def test_onnxruntime_on_a_gpu_reads_features_where_they_are_asked_for(
    models: dict[str, Path], pooled: np.ndarray, monkeypatch: pytest.MonkeyPatch, tuning: str
) -> None:
    CudaBuild(monkeypatch, CUDA)
    check(open_engine(models["fp32"], device="cuda", tuning=tuning), pooled)


def test_onnxruntime_with_tensorrt_reads_features_where_they_are_asked_for(
    models: dict[str, Path], pooled: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    CudaBuild(monkeypatch, TENSORRT)
    check(open_engine(models["fp32"], backend="onnxruntime-tensorrt", device="cuda"), pooled)


@pytest.mark.usefixtures("home")
def test_onnxruntime_with_tensorrt_rtx_reads_features_where_they_are_asked_for(
    models: dict[str, Path], pooled: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    RtxPlugin(monkeypatch)
    check(open_engine(models["fp32"], backend="onnxruntime-tensorrt-rtx?cache=0"), pooled)


def check(engine: Engine, pooled: np.ndarray) -> None:
    """Compare an engine, which is closed then, with the FP32 network, on batches with and without features."""
    with engine:
        assert engine.features == FEATURES
        for count in (1, 5, 6, 64, 70):
            logits, features = engine.infer_with_features(CROPS[:count])
            np.testing.assert_allclose(features, pooled[:count], atol=1e-5)
            np.testing.assert_allclose(logits, engine.infer(CROPS[:count]), atol=1e-5)


def test_a_backend_that_gives_none_is_named(tmp_path: Path) -> None:
    class Plain(Engine):
        def __init__(self, engine: Engine) -> None:
            self.spec, self.identity, self.batch_size = residual_spec(), engine.identity, 1

        def _infer(self, crops: np.ndarray) -> np.ndarray:
            return np.zeros((len(crops), CLASSES), np.float32)

        def close(self) -> None:
            pass

    with open_engine(write_tiny_model(tmp_path / "m.onnx"), backend="onnxruntime", device="cpu") as engine:
        plain = Plain(engine)
    with pytest.raises(UsageError, match=r"^features: onnxruntime .* gives logits alone; take another --backend"):
        plain.new_batches(features=True)
