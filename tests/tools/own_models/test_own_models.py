"""What a model of one's own costs, measured on clips that are made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.model.file import ModelFile
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import save_weights, state_of
from pptsn.training.synthetic.mp4 import write_mp4
from tests.models import write_tiny_model
from tests.training.clips import level_frame
from tests.training.narrow import narrow_networks
from tools.own_models.__main__ import measure

ONCE = Method(repeats=1, least_s=0, least_iterations=1)


@pytest.mark.slow
def test_each_share_is_that_of_its_two_times(tmp_path: Path) -> None:
    for label, name in enumerate(("jump", "run")):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for index in range(5):
            frames = [level_frame(40 * index + 9 * label, width=48)] * 3
            write_mp4(tmp_path / "clips" / name / f"{index}.mp4", frames, fps=10)
    model = write_tiny_model(tmp_path / "m.onnx")
    assert ModelFile.open(model).spec.classes > 1
    (tmp_path / "list.txt").write_text("clips/jump/0.mp4 0\nclips/run/0.mp4 1\n")
    with narrow_networks():
        save_weights(state_of(PPTSN(18, 3)), tmp_path / "w.pdparams")
        found = list(measure(tmp_path / "clips", tmp_path / "w.pdparams", model, tmp_path / "list.txt", ONCE))
    assert [result.facts["clips"] for result in found] == [10, 8, 2]
    for result in found:
        share, whole, part = (measurement.value for measurement in result.measurements)
        assert share == pytest.approx(whole / part)
    assert found[1]["head_only_share"].value > 1  # the features are a part of the run
