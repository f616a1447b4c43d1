"""Who may import whom, read from the sources; and what the light entry points must not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.structure import arrows, circles, crowded, imported, lines, modules

ROOT = Path(__file__).parent.parent

# The rooms, from the ground up: each imports only those above it in this list, and its own modules.  Rooms of one
# entry do not import each other.  A module may be a room of its own, as the front door is, `recognizer`.
ROOMS = (
    ("pptsn.runtime.base",),
    ("pptsn.runtime.credentials",),
    ("pptsn.runtime.frames",),
    ("pptsn.runtime.pages",),
    ("pptsn.runtime.video", "pptsn.runtime.workers"),
    ("pptsn.runtime.model",),
    ("pptsn.runtime.decoding",),
    ("pptsn.runtime.engines",),
    ("pptsn.runtime.classify",),
    ("pptsn.runtime.stream.sources",),
    ("pptsn.runtime.stream.recording",),
    ("pptsn.runtime.stream.capture",),
    ("pptsn.runtime.stream.actions",),
    ("pptsn.runtime.stream.health",),
    ("pptsn.runtime.stream.sinks",),
    ("pptsn.runtime.stream.pipeline",),
    ("pptsn.runtime.recognizer",),
    ("pptsn.runtime.tune", "pptsn.runtime.evaluate"),
    ("pptsn.runtime.stream.run",),
    ("pptsn.runtime",),
    ("pptsn.convert.frames", "pptsn.convert.verify"),
    ("pptsn.convert.graph",),
    ("pptsn.convert.fp16", "pptsn.convert.checks"),
    ("pptsn.convert.int8", "pptsn.convert.engine"),
    ("pptsn.training", "pptsn.convert", "pptsn.benchmarks"),
    ("pptsn.cli",),
    ("pptsn.__main__",),
    ("pptsn",),
    ("tools",),
)
# A package may be imported only in these files, so that its absence is handled in one place.
HOMES = {
    "onnxruntime": {"runtime/engines/onnxruntime/engine.py"},
    "onnxruntime_ep_nv_tensorrt_rtx": {"runtime/engines/onnxruntime_rtx/library.py"},
    "openvino": {"runtime/engines/openvino/library.py"},
    "pycuda": {"runtime/engines/tensorrt/cuda.py"},
    "cuda": {"runtime/engines/tensorrt/cuda_graphs.py"},
    "paddle": {"runtime/engines/paddle/library.py"},
    "paddle2onnx": {"convert/graph/paddle2onnx_child.py"},
    "matplotlib": {"training/plot.py", "runtime/pages/canvas.py"},
    "jinja2": {"runtime/pages/html.py"},
    "pyarrow": {"runtime/classify/sinks/parquet.py"},
    "tensorboardX": {"training/tensorboard.py"},
    "mlperf_loadgen": {"benchmarks/scenarios/loadgen.py"},
    "pynvml": {"benchmarks/energy/sensors.py"},
    "jtop": {"benchmarks/energy/sensors.py"},
    "decord": {"tools/targets/decord_reader.py"},
    "aiohttp": {"runtime/stream/sinks/webhook.py"},
    "paho": {"runtime/stream/sinks/mqtt.py"},
    "prometheus_client": {"runtime/stream/sinks/web/metrics.py"},
    "uvicorn": {"runtime/stream/sinks/web/server.py"},
    "tensorrt": {"runtime/engines/tensorrt/api.py"},
    "tensorrt_lean_bindings": {"runtime/engines/tensorrt/api.py"},
    "tensorrt_dispatch_bindings": {"runtime/engines/tensorrt/api.py"},
    "tensorrt_rtx_bindings": {"runtime/engines/tensorrt/api.py"},
}


def room_of(module: str) -> tuple[int, str]:
    """Return the number of a module's entry in ROOMS, and its room: of those that hold it, the innermost."""
    holders = [
        (len(room), number, room)
        for number, entry in enumerate(ROOMS)
        for room in entry
        if module == room or module.startswith(f"{room}.")
    ]
    assert holders, f"{module} is in no room: name its folder in ROOMS"
    _, number, room = max(holders)
    return number, room


def test_rooms_import_in_one_direction() -> None:
    wrong = []
    for module, target in arrows(ROOT):
        (level, room), (below, other) = room_of(module), room_of(target)
        if other != room and below >= level:
            wrong.append(f"{module} imports {target}")
    assert not wrong, "\n".join(sorted(wrong))


def test_training_convert_and_benchmarks_do_not_import_each_other() -> None:
    parts = ("training", "convert", "benchmarks")
    found = [(module.split(".")[1:2], target.split(".")[1:2]) for module, target in arrows(ROOT)]
    assert not [pair for pair in found if pair[0] != pair[1] and all(part and part[0] in parts for part in pair)]


def test_no_module_is_reached_again_from_what_it_imports() -> None:
    assert [" -> ".join(circle) for circle in circles(ROOT)] == []


def test_runtime_needs_neither_paddle_nor_onnx() -> None:
    # The room in which `training` and `convert` share Paddle: nothing else of the runtime may enter it.
    paddle = ROOT / "runtime" / "engines" / "paddle"
    for path in set((ROOT / "runtime").rglob("*.py")) - set(paddle.rglob("*.py")):
        names = imported(path, root=ROOT)
        assert not any(name.startswith("pptsn.runtime.engines.paddle") for name in names), path
        packages = {name.split(".")[0] for name in names}
        assert not packages & {"paddle", "paddle2onnx", "onnx", "pydantic", "yaml"}, path


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_have_one_home(package: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in modules(ROOT).values()
        if package in {name.split(".")[0] for name in imported(path, root=ROOT)}
    }
    assert users <= HOMES[package]


def test_no_folder_of_the_product_has_more_than_twenty_modules() -> None:
    assert crowded(ROOT, lambda module: module.startswith("pptsn")) == {}


def test_no_file_of_the_product_is_over_350_lines() -> None:
    counts = {module: lines(path) for module, path in modules(ROOT).items() if module.startswith("pptsn")}
    assert {module: count for module, count in counts.items() if count > 350} == {}


@pytest.mark.parametrize("folder", ["runtime", "training", "convert", "benchmarks"])
def test_a_file_has_one_name(folder: str) -> None:
    """In a checkout the folders could be imported by their bare names as well, as modules of their own."""
    code = f"import pptsn.{folder}, {folder}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode != 0
    assert f"import pptsn.{folder}" in run.stderr.splitlines()[-1]


def is_ours(path: Path) -> bool:
    return path.is_relative_to(ROOT) and not path.relative_to(ROOT).parts[0].startswith(".")


def test_nothing_here_was_imported_under_two_names() -> None:
    """What the tests so far have loaded, in whatever order they ran."""
    names: dict[str, set[str]] = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and name != "__main__" and is_ours(Path(os.path.realpath(path))):
            names.setdefault(os.path.realpath(path), set()).add(name)
    assert {path: found for path, found in names.items() if len(found) > 1} == {}


def modules_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.splitlines()[-1].split())


def test_help_loads_no_heavy_package() -> None:
    code = """
import sys
sys.argv = ["pptsn", "--help"]
from pptsn.cli.program import main
try:
    main()
except SystemExit as ending:
    assert not ending.code
"""
    heavy = {"paddle", "onnx", "onnxruntime", "cv2", "av", "numpy", "pydantic", "matplotlib"}
    assert not modules_after(code) & heavy


def test_opening_a_model_on_a_cpu_loads_nothing_of_a_gpu(tmp_path: Path) -> None:
    from tests.models import write_tiny_model

    model = write_tiny_model(tmp_path / "m.onnx")
    loaded = modules_after(f"from pptsn import Recognizer; Recognizer.open({str(model)!r}).close()")
    assert "onnxruntime" in loaded
    assert not loaded & {"pycuda", "cuda", "tensorrt", "tensorrt_rtx_bindings"}
    assert "pptsn.runtime.stream" not in loaded


def test_public_names_are_loaded_when_asked_for() -> None:
    assert not modules_after("import pptsn; dir(pptsn)") & {"numpy", "typer", "pptsn.runtime.classify"}
    assert "pptsn.runtime.classify" in modules_after("from pptsn import Recognizer")
