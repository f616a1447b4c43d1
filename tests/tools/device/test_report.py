from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.benchmarks.measure.machine import device_facts, temperatures_c
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.engines import open_engine
from pptsn.runtime.evaluate.accuracy import Answers, leading
from pptsn.training.synthetic.mp4 import write_mp4
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tools.device import models as device_models
from tools.device import report as device_report
from tools.device.models import accuracy_figures, latency, placements
from tools.device.report import attempt, make_report, parse_options, read_outcome

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


def report_on(demo: Path, *arguments: str) -> dict[str, Any]:
    options = parse_options(["--demo", f"{demo}", "-o", f"{demo / 'r.json'}", "--seconds", "0", *arguments])
    made = make_report(options)
    assert json.loads((demo / "r.json").read_text()) == json.loads(json.dumps(made))
    return made


def test_each_model_is_measured_and_what_fails_is_told_in_its_place(demo: Path) -> None:
    report = report_on(demo, "--no-tests")
    assert report["complete"] is True
    assert report["doctor"]["machine"]["cores"] >= 1
    assert report["device"].keys() >= {"power_mode", "l4t", "temperatures_c", "clocks_mhz"}
    models = {entry["model"]: entry for entry in report["models"] if entry["device"] == "cpu"}
    assert list(models) == ["model.onnx", "model.damaged.onnx", "model.fp16.onnx"]
    assert "is no ONNX model" in models["model.damaged.onnx"]["error"]
    first, other = models["model.onnx"], models["model.fp16.onnx"]
    assert (first["precision"], other["precision"]) == ("fp32", "fp16")
    assert first["size_bytes"] == (demo / "model.onnx").stat().st_size
    # Of four clips one is not there, and counts as wrong.
    assert (first["accuracy"]["top1"], first["accuracy"]["agreement"]) == (0.75, None)
    assert (other["accuracy"]["top1"], other["accuracy"]["agreement"]) == (0.5, pytest.approx(2 / 3))
    assert ["none.mp4" in line for line in other["accuracy"]["unreadable"]] == [True]
    assert [timed["batch"] for timed in first["latency"]] == [5, 50, 125]


def test_a_part_that_fails_leaves_the_others(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> dict[str, Any]:
        raise RuntimeError("no\nsuch library")

    for name in ("examine", "device_facts", "gpu_tests", "latency"):
        monkeypatch.setattr(device_report, name, broken)
    report = report_on(demo)
    assert (
        report["doctor"] == report["device"] == report["gpu_tests"] == {"error": "RuntimeError: no such library"}
    )
    assert report["models"][0]["accuracy"]["clips"] == 4
    assert report["models"][0]["latency"] == [{"error": "RuntimeError: no such library"}] * 3


def test_a_crash_keeps_what_was_found_before_it(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(device_report.ModelRuns, "measure", crash)
    with pytest.raises(KeyboardInterrupt):
        report_on(demo, "--no-tests")
    kept = json.loads((demo / "r.json").read_text())
    assert (kept["complete"], kept["models"]) == (False, [])
    assert kept["doctor"]["packages"]


@pytest.mark.parametrize(("name", "cause"), [("data", "cannot be read"), ("model", "make demo")])
def test_missing_data_or_models_are_told(demo: Path, name: str, cause: str) -> None:
    for path in [demo / "data" / "test.txt"] if name == "data" else demo.glob("model*"):
        path.unlink()
    assert cause in report_on(demo, "--no-tests")["models"]["error"]


def test_a_place_that_cannot_be_written_is_told_before_any_work(demo: Path) -> None:
    options = parse_options(["--demo", f"{demo}", "-o", f"{demo / 'model.onnx' / 'r.json'}"])
    with pytest.raises(InputError, match="cannot be written"):
        make_report(options)


def test_the_program_ends_with_the_figures(demo: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tools.device.report",
        "--demo",
        str(demo),
        "--no-tests",
        "--seconds",
        "0",
    ]
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [*command, "-o", str(demo / "r.json")], capture_output=True, text=True, check=True, cwd=root
    )
    assert "model.fp16.onnx" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith(f"wrote {demo / 'r.json'}")
    assert "measuring: model.onnx on cpu" in ended.stderr


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


def test_what_is_no_number_agrees_with_nothing() -> None:
    logits = np.array([np.full(4, np.nan), np.zeros(4)], np.float32)
    broken = Answers(dict(enumerate(leading(logits))), {})
    whole = Answers(dict(enumerate(leading(np.zeros((2, 4), np.float32)))), {})
    samples = [Sample("a", 0), Sample("b", 0)]
    figures = accuracy_figures(broken, whole, samples)
    assert (figures["top1"], figures["agreement"]) == (0.5, 0.5)


def test_latency_counts_calls_after_the_warm_up(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_models, "_WARM_UP_S", 0.0)
    sizes = []
    with open_engine(demo / "model.onnx", device="cpu") as engine:

        def slow(crops: np.ndarray) -> None:
            sizes.append(len(crops))
            time.sleep(0.5 if len(sizes) <= 2 else 0.005)

        monkeypatch.setattr(engine, "infer", slow)
        timed = latency(engine, 7, seconds=0)
    assert set(sizes) == {7}
    assert timed["iterations"] == 10 == len(sizes) - 2
    assert 5 <= timed["median_ms"] <= timed["p90_ms"] <= timed["p99_ms"] < 400
    assert timed["crops_per_s"] == pytest.approx(7 / 0.005, rel=0.5)


def test_a_slow_model_is_not_waited_for(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_models, "_LONGEST_S", 0.05)
    with open_engine(demo / "model.onnx", device="cpu") as engine:
        monkeypatch.setattr(engine, "infer", lambda _: time.sleep(0.03))
        assert 1 <= latency(engine, 1, seconds=5)["iterations"] <= 2


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
    assert read_outcome(tmp_path / "o.xml") == {
        "passed": 1,
        "failed": 2,
        "skipped": 2,
        "failures": ["test_it::test_wrong", "test_it::test_error"],
        "skip_reasons": {"needs a GPU": 2},
    }


def test_tests_that_do_not_run_are_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise SystemExit('no pytest here')\n")
    found = attempt(lambda: device_report.gpu_tests(tmp_path))
    assert found == {"error": "GPU tests: pytest ended with status 1: no pytest here; run: make test-gpu"}


def test_a_jetson_tells_its_board_release_clocks_and_temperatures(tmp_path: Path) -> None:
    values = {
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.0\nmore\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48625\n",
        "sys/class/thermal/thermal_zone1/type": "switched off\n",
        "sys/class/thermal/thermal_zone1/temp": "",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400\n",
        "sys/devices/system/cpu/cpu1/online": "0\n",
        "sys/class/devfreq/17000000.gpu/cur_freq": "624750000\n",
    }
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    facts = device_facts(tmp_path)
    assert facts["board"] == "NVIDIA Jetson Orin Nano"
    assert facts["l4t"] == "# R36 (release), REVISION: 4.0"
    assert facts["temperatures_c"] == temperatures_c(tmp_path) == {"0 cpu-thermal": 48.625}
    assert facts["clocks_mhz"] == {"cpu0": 1510.4, "17000000.gpu": 624.75}


def test_power_mode_and_gpus_come_from_the_vendor_s_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {
        "nvpmodel": 'test "$1" = -q && printf "NV Power Mode: 15W\\n0\\n"',
        "nvidia-smi": 'echo "Orin, 540.4.0, [N/A], 624 MHz, [N/A], 48"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    facts = device_facts(tmp_path)
    assert facts["power_mode"] == ["NV Power Mode: 15W", "0"]
    assert (facts["gpus"][0]["name"], facts["gpus"][0]["temperature.gpu"]) == ("Orin", "48")
    (tmp_path / "nvpmodel").write_text("#!/bin/sh\nexit 1\n")
    assert device_facts(tmp_path)["power_mode"] is None


def test_only_the_gpu_s_tests_are_collected(tmp_path: Path) -> None:
    """Others need what a device has not, Paddle for one."""
    (tmp_path / "tests" / "gpu").mkdir(parents=True)
    (tmp_path / "tests" / "test_training.py").write_text("import no_such_package\n")
    (tmp_path / "tests" / "gpu" / "test_it.py").write_text(
        "import pytest\n@pytest.mark.gpu\ndef test_it(): pass\n"
    )
    found = device_report.gpu_tests(tmp_path)
    assert (found["passed"], found["failures"]) == (1, [])


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ({"error": "no models"}, "no models"),
        ([], "there is none"),
        ([{"model": "m", "error": "damaged"}] * 2, "damaged"),
        ([{"model": "m", "accuracy": {"error": "a"}, "latency": [{"error": "b"}]}], "a"),
        ([{"model": "m", "accuracy": {"error": "a"}, "latency": [{"median_ms": 1.0}]}], None),
        ([{"model": "m", "accuracy": {"top1": 1.0}, "latency": [{"error": "b"}]}], None),
        ([{"model": "m", "error": "damaged"}, {"accuracy": {"top1": 1.0}, "latency": []}], None),
    ],
)
def test_a_report_without_figures_is_told_by_its_reason(models: Any, reason: str | None) -> None:
    assert device_report.nothing_measured(models) == reason


@pytest.mark.parametrize("models", ["none", "damaged"])
def test_a_report_without_figures_is_not_asked_for(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], models: str
) -> None:
    for path in demo.glob("model*"):
        if models == "none" or path.name != "model.damaged.onnx":
            path.unlink()
    command = ["device_report", "--demo", str(demo), "-o", str(demo / "r.json"), "--no-tests", "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ending:
        device_report.main()
    cause = "has no model" if models == "none" else "is no ONNX model"
    assert str(ending.value.code).startswith("device_report: error: no model could be measured: ")  # code 1
    assert cause in str(ending.value.code)
    assert "send it back" not in capsys.readouterr().out
    assert (demo / "r.json").is_file()
