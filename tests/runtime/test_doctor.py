import io
import json
import sys

import pytest
from rich.console import Console

from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.doctor import examine, render
from pptsn.runtime.engines.onnxruntime.backend import OnnxRuntimeBackend, package_requirements
from tests.runtime.engines.tensorrt.fake_gpu import FakeGpu, FakePlan, install_pycuda, tensorrt_module


def text(findings: dict) -> str:
    stream = io.StringIO()
    render(findings, Console(file=stream, width=160, color_system=None))
    return stream.getvalue()


def test_the_cpu_engine_really_ran() -> None:
    findings = examine()
    cpu = next(e for e in findings["engines"] if e["device"] == "cpu")
    assert cpu == {"name": "onnxruntime", "device": "cpu", "works": True, "problem": None}


def test_findings_are_plain_json() -> None:
    findings = examine()
    assert json.loads(json.dumps(findings)) == findings
    assert {p["name"] for p in findings["packages"]} >= {"av", "onnxruntime", "paddlepaddle", "paddle2onnx"}


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, library, None)
    findings = examine()
    assert not any(e["works"] for e in findings["engines"])
    assert "pip install 'pptsn[cpu]'" in text(findings)


def test_missing_packages_are_listed_with_their_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Requirement, "found", lambda self: None)
    shown = text(examine())
    assert "pip install 'pptsn[convert]'" in shown
    assert "pip install 'pptsn[train]'" in shown


def test_what_streams_need_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.runtime.base.plugins.shutil.which", lambda name: None)
    monkeypatch.setattr("pptsn.runtime.doctor.Path.glob", lambda path, pattern: iter([]))
    shown = text(examine())
    assert "gst-launch-1.0: apt-get install gstreamer1.0-tools" in shown
    assert "the web page of streams" in shown
    assert "Cameras: none that this user may open" in shown


def test_conflicting_packages_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Requirement, "found", lambda self: "1.0")
    notes = " ".join(examine()["notes"])
    assert "onnxruntime and onnxruntime-gpu" in notes
    assert "paddlepaddle and paddlepaddle-gpu" in notes


def test_a_broken_engine_is_a_finding_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("libfoo.so is missing")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    cpu = next(e for e in examine()["engines"] if e["device"] == "cpu")
    assert cpu["works"] is False
    assert "libfoo.so" in cpu["problem"]


@pytest.mark.parametrize("failure", [AttributeError, SystemExit])
def test_a_backend_that_cannot_say_how_to_try_it_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def fail(backend: OnnxRuntimeBackend) -> None:
        raise failure("no\n\nlibrary")

    monkeypatch.setattr(OnnxRuntimeBackend, "trials", fail)
    findings = examine()
    (finding,) = (each for each in findings["engines"] if each["name"] == "onnxruntime")
    assert finding == {
        "name": "onnxruntime",
        "device": "-",
        "works": False,
        "problem": f"{failure.__name__}: no library",
    }
    assert f"- onnxruntime on -: {failure.__name__}: no library" in text(findings)


def test_notes_are_shown_as_they_are_a_line_each() -> None:
    findings = examine() | {"notes": ["plugin x failed: [red] [/nothing] " + "long " * 60 + "end"]}
    assert f"note: {findings['notes'][0]}\n" in text(findings)


def engines(findings: dict) -> dict[tuple[str, str], dict]:
    return {(e["name"], e["device"]): e for e in findings["engines"]}


def test_every_engine_is_tried() -> None:
    found = engines(examine())
    assert found.keys() == {
        ("onnxruntime", "cpu"),
        ("onnxruntime", "cuda:0"),
        ("onnxruntime-tensorrt", "cuda:0"),
        ("onnxruntime-tensorrt-rtx", "cuda:0"),
        ("openvino", "cpu"),
        ("tensorrt", "cuda:0"),
        ("tensorrt-rtx", "cuda:0"),
    }
    assert all(e["works"] or e["problem"] for e in found.values())


def test_a_tensorrt_that_starts_works(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu()
    install_pycuda(monkeypatch, gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(FakePlan(gpu), "10.3.0"))
    assert engines(examine())["tensorrt", "cuda:0"]["works"] is True
    assert gpu.stack == []
    gpu.broken = True
    found = engines(examine())["tensorrt", "cuda:0"]
    assert found["works"] is False
    assert "nvidia-smi" in found["problem"]


def test_gpu_packages_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Requirement, "found", lambda self: None)
    shown = text(examine())
    assert "tensorrt: pip install tensorrt --extra-index-url https://pypi.nvidia.com; on a Jetson" in shown
    assert "pycuda: pip install 'pptsn[tensorrt]' (PyCUDA is compiled: it needs a C++ compiler and the CU" in shown
    assert "with nvcc on the PATH)" in shown
    assert "tensorrt_rtx_cu13_bindings: pip install 'pptsn[rtx]'" in shown
    assert "onnxruntime-ep-nv-tensorrt-rtx: pip install 'pptsn[cpu,onnxruntime-tensorrt-rtx]'" in shown
    assert "cuda-bindings: pip install 'pptsn[tensorrt]'" in shown
    assert "onnx: pip install 'pptsn[convert]'; on a device pip install 'pptsn[tensorrt]'" in shown


def test_onnxruntime_gpu_for_a_jetson_is_not_in_our_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Requirement, "found", lambda self: None)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(OnnxRuntimeBackend, "requirements", package_requirements())
    assert "onnxruntime-gpu: pip install 'pptsn[gpu]'" in text(examine())
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(OnnxRuntimeBackend, "requirements", package_requirements())
    shown = text(examine())
    assert "onnxruntime-gpu: onnxruntime-gpu for a Jetson comes from NVIDIA" in shown
    assert "[gpu]" not in shown
