"""The trials by the same code on a CPU: that they run and what they tell, not how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pptsn.benchmarks.measure.documents import read_report
from pptsn.benchmarks.measure.method import Method
from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.network import Network
from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.recognizer import Recognizer
from tests.clips import write_clip
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tools.device import tensorrt_8, trial, try_onnxruntime, try_tensorrt, try_torch
from tools.device.make_reference import make_reference
from tools.device.trial import attempted, device_result, error_of

ROOT = Path(__file__).parents[3]


def ended(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"tools.device.{module}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_onnxruntime_is_tried_in_all_its_steps(tmp_path: Path) -> None:
    model, clip = write_tiny_model(tmp_path / "m.onnx"), write_clip(tmp_path / "c.mp4", frames=12)
    brief = ["--repeats", 1, "--seconds", 0.01, "--sizes", "1,8", "-o", tmp_path / "r.json"]
    run = ended("try_onnxruntime", "--model", model, "--device", "cpu", "--clip", clip, "--folder", clip, *brief)
    assert run.returncode == 0, run.stderr
    assert any("views_per_s" in name for name in json.loads(run.stdout.splitlines()[-1])["figures"])
    report = read_report(tmp_path / "r.json")
    assert [(r.settings["what"], r.settings.get("crops")) for r in report.of("device")] == [
        ("call", 1),
        ("call", 8),
        ("two shapes in turn", 8),
        ("against the CPU", None),
        ("options: as we set it", 8),
        ("options: as we set it", 1),
        ("file to answer", 1),
        ("file to answer", 8),
        ("folder", None),
        ("folder", None),
        ("folder", None),
    ]
    assert [r.settings["target"] for r in report.of("targets")] == ["gpu_clip_ms", "gpu_share_of_network_percent"]
    (right,) = [r for r in report.results if r.settings.get("what") == "against the CPU"]
    assert (right["rms_error_percent"].value, right["answers_kept_percent"].value) == (0, 100)
    assert not any(result.error for result in report.results)


def test_a_step_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose of calls, providers, clip, targets"):
        try_onnxruntime.try_onnxruntime(tmp_path / "m.onnx", steps="call")


def test_a_device_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    run = ended(
        "try_onnxruntime", "--model", model, "--device", "cuda:7", "--steps", "calls", "-o", tmp_path / "r.json"
    )
    assert run.returncode == 1
    (result,) = read_report(tmp_path / "r.json").results
    assert result.settings == {"model": "m.onnx", "device": "cuda:7", "what": "calls"}
    assert "cuda:7" in result.error


@pytest.mark.parametrize(
    ("package", "call", "remedy"),
    [
        ("torch", lambda model: try_torch.try_torch(), "pip install torch torchvision"),
        ("tensorrt", lambda model: try_tensorrt.try_tensorrt(model), "JetPack"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, call: Any, remedy: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=remedy) as caught:
        call(tmp_path / "m.onnx")
    assert caught.value.exit_code == 3


def test_an_output_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for run in (
        lambda out: try_torch.try_torch(output=out),
        lambda out: try_tensorrt.try_tensorrt(tmp_path, output=out),
    ):
        with pytest.raises(UsageError, match="has no ending"):
            run([str(tmp_path / "r.txt")])


def test_what_one_engine_gave_is_kept_and_what_it_raised_is_told() -> None:
    def results() -> Any:
        yield device_result({"what": "a"})
        raise RuntimeError("the device is gone")

    first, second = attempted({"what": "all"}, results())
    assert (first.settings, first.error) == ({"what": "a"}, "")
    assert (second.settings, second.error) == ({"what": "all"}, "RuntimeError: the device is gone")


def test_the_error_is_told_in_shares_of_the_spread() -> None:
    reference = np.array([[0.0, 2.0], [2.0, 0.0]], np.float32)
    found = error_of({}, reference + np.array([[0.5, 0.5], [0.0, 2.5]], np.float32), reference)
    assert found["rms_error_percent"].value == pytest.approx(100 * np.sqrt((0.25 + 0.25 + 6.25) / 4))
    assert found["answers_kept_percent"].value == 50


def test_a_reference_has_the_crops_and_what_each_model_says_of_them(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    clips = [write_clip(tmp_path / "clips" / f"{number}.mp4", frames=6) for number in range(2)]
    models = [write_tiny_model(tmp_path / "a.onnx"), write_tiny_model(tmp_path / "b.onnx", mean=(0.6, 0.5, 0.5))]
    make_reference(str(clips[0].parent), models, tmp_path / "ref.npz")
    with np.load(tmp_path / "ref.npz") as found:
        assert found["crops"].shape == (2, 32, 32, 3)
        assert found["a.onnx"].shape == found["b.onnx"].shape == (2, 4)
        assert not np.allclose(found["a.onnx"], found["b.onnx"])


def test_a_reference_of_another_model_is_refused_before_a_plan_is_built(tmp_path: Path) -> None:
    np.savez(tmp_path / "ref.npz", **{"crops": np.zeros(1), "a.onnx": np.zeros(1)})
    with pytest.raises(InputError, match=r"has no logits of b\.onnx, but of a\.onnx"):
        try_tensorrt.Reference.read(tmp_path / "ref.npz", tmp_path / "b.onnx")


def test_a_folder_is_timed_to_its_last_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    class CountingRecognizer(Recognizer):
        def classify_many(self, *arguments: Any, **settings: Any) -> Any:
            yield from super().classify_many(*arguments, **settings)
            ended.append(settings)

    monkeypatch.setattr(trial, "Recognizer", CountingRecognizer)
    clips = [write_clip(tmp_path / f"{number}.mp4", frames=3) for number in range(2)]
    model, once = write_tiny_model(tmp_path / "m.onnx"), Method(repeats=1, least_s=0, least_iterations=1)
    with open_engine(model, device="cpu") as engine:
        found = list(trial.timed_folder(engine, model, clips, once, decoders=0))
    assert len(found) == 3
    assert {(settings["segments"], settings["views"]) for settings in ended} == {
        (25, "ten"),
        (8, "ten"),
        (8, "center"),
    }


def test_a_graph_in_the_opset_of_tensorrt_8_gives_the_same_answers(tmp_path: Path) -> None:
    import onnxruntime

    model = tmp_path / "m.onnx"
    to_fp16(Network(tiny_network(), tiny_spec(mirror=True), source="the tiny model")).write(model)
    lowered = tensorrt_8.lowered(model)
    assert [entry.version for entry in onnx.load_from_string(lowered).opset_import] == [13]
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    answers = [
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, {"crops": crops})[0]
        for source in (str(model), lowered)
    ]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-3)
