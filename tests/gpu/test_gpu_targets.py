"""The targets of a GPU, on one: that they run there, not how fast."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.engines import open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.gains.plain_network import write_plain_network
from tools.targets.gpu import DeviceNetwork, measure_gpu_clip, measure_gpu_offline

pytestmark = pytest.mark.gpu

Needs = Callable[[Callable[[], object]], None]


@pytest.fixture
def fp32(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "fp32.onnx")


@pytest.fixture(autouse=True)
def cuda(needs: Needs, fp32: Path) -> None:
    needs(lambda: open_engine(fp32, backend="onnxruntime", device="cuda").close())


def test_both_targets_are_measured_on_the_gpu(model: Path, tmp_path: Path) -> None:
    clip, method = write_clip(tmp_path / "c.mp4"), Method(repeats=2, least_s=0.1)
    found = measure_gpu_clip(model, clip, method, device="cuda", segments=3)
    share = measure_gpu_offline(model, method, device="cuda", batches=2)
    assert found.settings["backend"] == share.settings["backend"] == "onnxruntime cuda:0"
    assert found.measurements[0].value is not None
    assert share.measurements[0].value is not None


def test_the_bare_network_gives_on_the_gpu_what_it_gives_on_the_cpu(fp32: Path, tmp_path: Path) -> None:
    network_file = write_plain_network(fp32, tmp_path / "network.onnx")
    views = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    logits = []
    for device in ("cpu", "cuda"):
        with DeviceNetwork(network_file, views, device=device, precision="fp32") as network:
            network.run()
            network.run()
            logits.append(network.logits())
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-4)
