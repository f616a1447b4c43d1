"""Who may import whom, read from the sources; and what the light entry points must not load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The rooms, from the ground up: each imports only those above it in this list, and its own modules.  Rooms of one
# entry do not import each other.
ROOMS = (
    ("pptsn.runtime.base",),
    ("pptsn.runtime.frames",),
    ("pptsn.runtime.video",),
    ("pptsn.runtime.model",),
    ("pptsn.runtime.engines",),
    ("pptsn.runtime.classify",),
    ("pptsn.runtime.evaluate",),
    ("pptsn.runtime.stream.sources",),
    ("pptsn.runtime.stream.recording",),
    ("pptsn.runtime.stream.capture",),
    ("pptsn.runtime.stream.actions",),
    ("pptsn.runtime.stream.health",),
    ("pptsn.runtime.stream.sinks",),
    ("pptsn.runtime.stream.pipeline",),
    ("pptsn.runtime.stream.run",),
    ("pptsn.runtime",),
    ("pptsn.training", "pptsn.convert", "pptsn.benchmarks"),
    ("pptsn.cli",),
    ("pptsn.__main__",),
    ("pptsn",),
    ("tools",),
)
# A package may be imported only in these files, so that its absence is handled in one place.
HOMES = {
    "onnxruntime": {"runtime/engines/onnxruntime/engine.py"},
    "pycuda": {"runtime/engines/tensorrt/cuda.py"},
    "cuda": {"runtime/engines/tensorrt/cuda_graphs.py"},
    "paddle2onnx": {"convert/graph/paddle2onnx_child.py"},
    "matplotlib": {"training/plot.py", "benchmarks/reports/canvas.py"},
    "jinja2": {"benchmarks/reports/html.py"},
    "mlperf_loadgen": {"benchmarks/scenarios/loadgen.py"},
    "pynvml": {"benchmarks/energy/nvml.py"},
    "jtop": {"benchmarks/energy/jetson.py"},
    "decord": {"tools/targets/decord_reader.py"},
    "paho": {"runtime/stream/sinks/mqtt.py"},
    "prometheus_client": {"runtime/stream/sinks/web/metrics.py"},
    "uvicorn": {"runtime/stream/sinks/web/server.py"},
    "tensorrt": {"runtime/engines/tensorrt/api.py"},
    "tensorrt_rtx_bindings": {"runtime/engines/tensorrt/api.py"},
}


@cache
def modules() -> dict[str, Path]:
    """Return every module of the product and of the tools by its name."""
    found = {}
    for folder in ("pptsn", "runtime", "training", "convert", "benchmarks", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[0] == "pptsn" and len(parts) > 2 and parts[1] != "cli":
                continue  # by way of a link
            package = () if parts[0] in ("pptsn", "tools") else ("pptsn",)
            found[".".join((*package, *parts)).removesuffix(".__init__")] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Return every module that a file imports, anywhere in it: at once, lazily, or by a name in a string."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    names: set[str] = set()
    dotted = {name for name in modules() if "." in name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and id(node) not in documentation:
            names |= {str(node.value).partition(":")[0]} & dotted
    return frozenset(names)


def module_of(name: str) -> str | None:
    """Return the module of the project that an imported name is, or is found in."""
    while name not in modules():
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


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


def arrows() -> Iterator[tuple[str, str]]:
    """Yield every import of one module of the project by another."""
    for module, path in modules().items():
        for name in imported(path):
            if (target := module_of(name)) is not None and target != module:
                yield module, target


def test_rooms_import_in_one_direction() -> None:
    wrong = []
    for module, target in arrows():
        (level, room), (below, other) = room_of(module), room_of(target)
        if other != room and below >= level:
            wrong.append(f"{module} imports {target}")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_module_is_reached_again_from_what_it_imports() -> None:
    graph: dict[str, set[str]] = {}
    for module, target in arrows():
        if not module.startswith(f"{target}."):  # a package's own facade
            graph.setdefault(module, set()).add(target)
    assert not [" -> ".join(circle) for circle in circles(graph)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return one circle for each module that closes one, by a walk in depth."""
    done: set[str] = set()
    found: list[list[str]] = []

    def walk(module: str, way: list[str]) -> None:
        if module in way:
            found.append([*way[way.index(module) :], module])
            return
        if module in done:
            return
        for target in sorted(graph.get(module, ())):
            walk(target, [*way, module])
        done.add(module)

    for module in sorted(graph):
        walk(module, [])
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_imports_by_a_name_in_a_string_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "hidden.py"
    path.write_text('"""pptsn.runtime"""\nload("pptsn.cli")\nx = "pptsn.runtime.video:read", "pptsn.bench"\n')
    assert imported(path) == {"pptsn.cli", "pptsn.runtime.video"}


def test_runtime_needs_neither_paddle_nor_onnx() -> None:
    for path in (ROOT / "runtime").rglob("*.py"):
        packages = {name.split(".")[0] for name in imported(path)}
        assert not packages & {"paddle", "paddle2onnx", "onnx", "pydantic", "yaml"}, path


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_have_one_home(package: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in modules().values()
        if package in {name.split(".")[0] for name in imported(path)}
    }
    assert users <= HOMES[package]


def test_no_folder_of_the_product_has_more_than_twenty_modules() -> None:
    counts: dict[Path, int] = {}
    for module, path in modules().items():
        if module.startswith("pptsn"):
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {str(folder): count for folder, count in counts.items() if count > 20} == {}


def test_no_file_of_the_product_is_over_350_lines() -> None:
    lines = {module: len(path.read_text().splitlines()) for module, path in modules().items()}
    assert {module: n for module, n in lines.items() if module.startswith("pptsn") and n > 350} == {}


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


def test_public_names_are_loaded_when_asked_for() -> None:
    assert not modules_after("import pptsn; dir(pptsn)") & {"numpy", "typer", "pptsn.runtime.classify"}
    assert "pptsn.runtime.classify" in modules_after("from pptsn import Recognizer")
