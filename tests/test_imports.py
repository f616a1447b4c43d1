"""Who may import whom, read from the sources; and what the light entry points must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("runtime", "training", "convert", "benchmarks")
ALLOWED = {
    "runtime": {"runtime"},
    "training": {"training", "runtime"},
    "convert": {"convert", "runtime"},
    "benchmarks": {"benchmarks", "runtime"},
}
# A package may be imported only in these files, so that its absence is handled in one place.
HOMES = {
    "onnxruntime": {"runtime/engines/onnxruntime_engine.py"},
    "pycuda": {"runtime/engines/cuda.py"},
    "cuda": {"runtime/engines/cuda_graphs.py"},
    "paddle2onnx": {"convert/paddle2onnx_child.py"},
    "matplotlib": {"training/plot.py", "benchmarks/reports/canvas.py"},
    "jinja2": {"benchmarks/reports/html.py"},
    "mlperf_loadgen": {"benchmarks/scenarios/loadgen.py"},
    "pynvml": {"benchmarks/energy/nvml.py"},
    "jtop": {"benchmarks/energy/jetson.py"},
    "decord": {"benchmarks/decord_reader.py"},
    "paho": {"runtime/stream/sinks/mqtt.py"},
    "prometheus_client": {"runtime/stream/sinks/web/metrics.py"},
    "uvicorn": {"runtime/stream/sinks/web/server.py"},
    "tensorrt": {"runtime/engines/tensorrt_api.py"},
    "tensorrt_rtx_bindings": {"runtime/engines/tensorrt_api.py"},
}


def imported(path: Path) -> set[str]:
    """Return the first component of every module that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_import_in_one_direction(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        siblings = imported(path) & {*FOLDERS, "pptsn", "tests"}
        assert siblings <= ALLOWED[folder], f"{path} imports {siblings - ALLOWED[folder]}"


def test_runtime_needs_neither_paddle_nor_onnx() -> None:
    for path in (ROOT / "runtime").rglob("*.py"):
        assert not imported(path) & {"paddle", "paddle2onnx", "onnx", "pydantic", "yaml"}, path


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_have_one_home(package: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if package in imported(path)
    }
    assert users <= HOMES[package]


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.splitlines()[-1].split())


def test_help_loads_no_heavy_package() -> None:
    code = """
import sys
sys.argv = ["pptsn", "--help"]
import pptsn
try:
    pptsn.main()
except SystemExit as ending:
    assert not ending.code
"""
    heavy = {"paddle", "onnx", "onnxruntime", "cv2", "av", "numpy", "pydantic", "matplotlib"}
    assert not modules_after(code) & heavy


def test_opening_a_model_on_a_cpu_loads_nothing_of_a_gpu(tmp_path: Path) -> None:
    from tests.models import write_tiny_model

    model = write_tiny_model(tmp_path / "m.onnx")
    loaded = modules_after(f"from runtime.recognizer import Recognizer; Recognizer.open({str(model)!r}).close()")
    assert "onnxruntime" in loaded
    assert not loaded & {"pycuda", "cuda", "tensorrt", "tensorrt_rtx_bindings"}


def test_public_names_are_loaded_when_asked_for() -> None:
    assert not modules_after("import pptsn") & {"runtime", "numpy", "typer"}
    assert "runtime" in modules_after("from pptsn import Recognizer")


def test_every_public_name_exists() -> None:
    import pptsn

    for name in pptsn.__all__:
        assert getattr(pptsn, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pptsn.nonsense
