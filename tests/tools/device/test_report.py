from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.benchmarks.measure.documents import read_report
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError
from pptsn.training.synthetic.mp4 import write_mp4
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tools.device import report as module
from tools.device.report import device_report, gpu_tests, nothing_measured, placements, read_outcome

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "pale": (150, 140, 135)}


def write_cpu_model(path: Path) -> Path:
    graph, spec = compose_deployment(tiny_network(), tiny_spec(precision="int8"), mirror=True)
    write_model(graph, spec, path, quantization={"target": "cpu"})
    return path


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """What `make demo` leaves: models, one of which mistakes the pale red clip, and a labelled list."""
    (tmp_path / "data").mkdir()
    for name, colour in COLOURS.items():
        write_mp4(tmp_path / "data" / f"{name}.mp4", [np.full((48, 64, 3), colour, np.uint8)] * 2, fps=10)
    (tmp_path / "data" / "test.txt").write_text("red.mp4 0\ngreen.mp4 1\npale.mp4 0\nnone.mp4 2\n")
    write_tiny_model(tmp_path / "model.onnx")
    write_tiny_model(tmp_path / "model.fp16.onnx", precision="fp16", mean=(0.6, 0.5, 0.5))
    (tmp_path / "model.damaged.onnx").write_bytes(b"no model")
    return tmp_path


def report_on(demo: Path, **options: Any) -> dict[str, list[Result]]:
    """Return the results of the command by what they are of."""
    device_report(demo / "r.json", demo, seconds=0.01, **({"tests": False} | options))
    return results_in(demo / "r.json")


def results_in(path: Path) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in read_report(path).results:
        found.setdefault(str(result.settings["what"]), []).append(result)
    return found


def test_each_model_is_measured_and_what_fails_is_told_in_its_place(demo: Path) -> None:
    found = report_on(demo)
    assert found["doctor"][0].facts["machine"]["cores"] >= 1
    (damaged, *_) = found["model"]
    assert damaged.settings["model"] == "model.damaged.onnx"
    assert "is no ONNX model" in damaged.error
    first, other = (result for result in found["accuracy"] if result.settings["device"] == "cpu")
    assert (first.settings["model"], other.settings["model"]) == ("model.onnx", "model.fp16.onnx")
    assert (first.facts["precision"], other.facts["precision"]) == ("fp32", "fp16")
    assert first.facts["size_bytes"] == (demo / "model.onnx").stat().st_size
    # Of four clips one is not there, and counts as wrong.
    assert first["top1_percent"].value == 75
    assert (other["top1_percent"].value, other["agreement_percent"].value) == (50, pytest.approx(200 / 3))
    assert "agreement_percent" not in [measurement.name for measurement in first.measurements]
    assert ["none.mp4" in line for line in other.facts["unreadable"]] == [True]
    calls = [result.settings["crops"] for result in found["call"] if result.settings["model"] == "model.onnx"]
    assert calls[:3] == [5, 50, 125]


def test_a_part_that_fails_leaves_the_others(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> dict[str, Any]:
        raise RuntimeError("no\nsuch library")

    for name in ("examine", "gpu_tests", "timed_calls"):
        monkeypatch.setattr(module, name, broken)
    found = report_on(demo, tests=True)
    for name in ("doctor", "GPU tests"):
        assert [result.error for result in found[name]] == ["RuntimeError: no such library"]
    assert found["accuracy"][0]["top1_percent"].value == 75
    assert "RuntimeError: no such library" in [result.error for result in found["model"]]


def test_a_crash_keeps_what_was_found_before_it(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.ModelRuns, "measure", crash)
    with pytest.raises(KeyboardInterrupt):
        report_on(demo)
    kept = results_in(demo / "r.json")
    assert list(kept) == ["doctor"]
    assert kept["doctor"][0].facts["packages"]


@pytest.mark.parametrize(("name", "cause"), [("data", "cannot be read"), ("model", "make demo")])
def test_missing_data_or_models_are_told(demo: Path, name: str, cause: str) -> None:
    for path in [demo / "data" / "test.txt"] if name == "data" else demo.glob("model*"):
        path.unlink()
    with pytest.raises(InputError, match=f"no model could be measured: .*{cause}"):
        report_on(demo)
    assert cause in results_in(demo / "r.json")["models"][0].error


def test_a_path_that_cannot_be_written_is_told_before_any_work(demo: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        device_report(demo / "model.onnx" / "r.json", demo)


def test_the_program_ends_with_the_figures(demo: Path) -> None:
    command = [sys.executable, "-m", "tools.device.report", "--demo", str(demo), "--no-tests", "--seconds", "0.01"]
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [*command, "-o", str(demo / "r.json")], capture_output=True, text=True, check=True, cwd=root
    )
    assert "model.fp16.onnx" in ended.stdout
    assert any("top1_percent" in name for name in json.loads(ended.stdout.splitlines()[-1])["figures"])
    assert ended.stderr.splitlines()[-1].startswith("wrote ")


def test_models_run_where_they_are_meant_to(demo: Path) -> None:
    write_cpu_model(demo / "model.int8-cpu.onnx")
    (demo / "model.engine").touch()
    found = [(place.model.name, place.device) for place in placements(demo, cuda=True)]
    assert found[0] == ("model.onnx", "cpu")
    assert [name for name, device in found if device == "cuda"] == [
        "model.onnx",
        "model.damaged.onnx",
        "model.fp16.onnx",
        "model.engine",
    ]
    assert ("model.int8-cpu.onnx", "cpu") in found
    assert ("model.engine", "cuda") in [(p.model.name, p.device) for p in placements(demo, cuda=False)]


def test_test_outcomes_are_counted_and_failures_named(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_right(): pass\n"
        "def test_wrong(): assert 0\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_error(broken): pass\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_skipped(n): pytest.skip('needs a GPU')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=o.xml", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    found = read_outcome(tmp_path / "o.xml")
    assert {m.name: m.value for m in found.measurements} == {"passed": 1, "failed": 2, "skipped": 2}
    assert found.facts == {
        "failures": ["test_it::test_wrong", "test_it::test_error"],
        "skip_reasons": {"needs a GPU": 2},
    }


def test_tests_that_do_not_run_are_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise SystemExit('no pytest here')\n")
    with pytest.raises(MissingDependencyError, match="ended with status 1: no pytest here; run: make"):
        gpu_tests(tmp_path)


def test_only_the_gpu_s_tests_are_collected(tmp_path: Path) -> None:
    """Others need what a device has not, Paddle for one."""
    (tmp_path / "tests" / "gpu").mkdir(parents=True)
    (tmp_path / "tests" / "test_training.py").write_text("import no_such_package\n")
    (tmp_path / "tests" / "gpu" / "test_it.py").write_text(
        "import pytest\n@pytest.mark.gpu\ndef test_it(): pass\n"
    )
    found = gpu_tests(tmp_path)
    assert (found["passed"].value, found.facts["failures"]) == (1, [])


def of(what: str, *, error: str = "", value: float | None = None) -> Result:
    measurements = () if value is None else (Measurement(name="a_ms", unit="ms", better="lower", value=value),)
    return Result(section="device", settings={"what": what}, measurements=measurements, error=error)


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([of("models", error="no models")], "no models"),
        ([of("doctor")], "there is none"),
        ([of("model", error="damaged")] * 2, "damaged"),
        ([of("accuracy", error="a"), of("model", error="b")], "a"),
        ([of("GPU tests", value=1.0), of("model", error="damaged")], "damaged"),
        ([of("accuracy", error="a"), of("call", value=1.0)], None),
        ([of("model", error="damaged"), of("accuracy", value=1.0)], None),
    ],
)
def test_a_report_without_figures_is_told_by_its_reason(results: list[Result], reason: str | None) -> None:
    assert nothing_measured(results) == reason
