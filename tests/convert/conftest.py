"""A real export of a small PP-TSN, made once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pptsn.runtime.base.files import write_text


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export folder: depth 18 with few channels, 3 classes, crops of 32 px, weights drawn from a seed."""
    if importlib.util.find_spec("paddle") is None:
        pytest.skip("Paddle is not installed")
    from pptsn.training.export import ExportOptions, export_model
    from pptsn.training.network._paddle import paddle
    from pptsn.training.network.resnet_vd import PPTSN
    from pptsn.training.network.weights import save_weights
    from tests.training.narrow import narrow_networks

    folder = tmp_path_factory.mktemp("export")
    paddle.seed(0)
    with narrow_networks(shallow=False):
        state = {name: value.numpy() for name, value in PPTSN(18, 3).state_dict().items()}
    # The classifier starts near zero; larger weights make classes that differ.
    state["head.fc.weight"] *= 100
    save_weights(state, folder / "w.pdparams")
    write_text(folder / "labels.txt", "red\ngreen\nblue\n")
    options = ExportOptions(labels=folder / "labels.txt", crop_size=32, short_side=40)
    with narrow_networks(shallow=False):
        export_model(folder / "w.pdparams", folder / "export", options=options)
    return folder / "export"


@pytest.fixture(scope="session")
def seeded_model(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The FP32 model of the seeded checkpoint beside the project: a ResNet-50 of 400 classes."""
    from pptsn.convert.graph.conversion import convert_to_onnx
    from pptsn.training.export import export_model
    from pptsn.training.network.weights import save_weights
    from tests.training.published import seeded_state

    folder = tmp_path_factory.mktemp("seeded")
    save_weights(seeded_state(shared_dir), folder / "seeded.pdparams")
    export_model(folder / "seeded.pdparams", folder / "export")
    convert_to_onnx(folder / "export", folder / "model.onnx")
    return folder / "model.onnx"
