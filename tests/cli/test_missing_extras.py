"""What is not installed is one line with the command that installs it: of every command, and every package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pptsn.benchmarks.measure.documents import write_report
from pptsn.cli.bench import app as bench
from pptsn.cli.convert import app as convert
from pptsn.cli.data import app as data
from pptsn.cli.program import command_line
from pptsn.cli.weights import app as weights
from pptsn.runtime.model.file import ModelFile
from tests.benchmarks.reports.fabricated import live, report
from tests.cli.hidden_packages import run_without
from tests.clips import write_clip
from tests.convert.precision_models import write_residual_model
from tests.models import write_tiny_model

RECIPE = """
model: {depth: 18, num_seg: 1, short_side: 36, crop_size: 32}
data: {train: list.txt, val: list.txt, test: list.txt, labels: labels.txt, workers: 0}
optimizer: {epochs: 1, batch_size: 2, warmup_epochs: 1}
evaluation: {segments: 1, views: center}
device: cpu
"""

# The arguments of every command, as a user would give them, and the packages that it then needs, each with the
# extra that brings it.
COMMANDS: dict[str, tuple[str, dict[str, str]]] = {
    "classify": ("classify clips --model m.onnx --segments 2", {"onnxruntime": "cpu"}),
    "classify by TensorRT-RTX": (
        "classify clips --model m.onnx --segments 2 --backend onnxruntime-tensorrt-rtx",
        {"onnxruntime": "cpu", "onnxruntime_ep_nv_tensorrt_rtx": "cpu,onnxruntime-tensorrt-rtx"},
    ),
    "classify to Parquet": (
        "classify clips --model m.onnx --segments 2 -o a.parquet",
        {"pyarrow": "parquet", "onnxruntime": "cpu"},
    ),
    "stream": ("stream clips/0.mp4 --model m.onnx", {"onnxruntime": "cpu"}),
    "stream to MQTT": (
        "stream clips/0.mp4 --model m.onnx -o mqtt://127.0.0.1:9/topic",
        {"paho": "mqtt", "onnxruntime": "cpu"},
    ),
    "stream to a webhook": (
        "stream clips/0.mp4 --model m.onnx -o http://127.0.0.1:9/",
        {"aiohttp": "webhook", "onnxruntime": "cpu"},
    ),
    "stream with a page": (
        "stream clips/0.mp4 --model m.onnx --http 127.0.0.1:0",
        {"uvicorn": "web", "starlette": "web", "prometheus_client": "web", "onnxruntime": "cpu"},
    ),
    "doctor": ("doctor", {}),
    "synthesize": ("synthesize m.onnx/data", {}),
    "data folder": ("data folder clips -o lists", {}),
    "data k400": ("data k400 train.csv --clips clips -o lists", {}),
    "data ucf101": ("data ucf101 annotations --clips clips -o lists", {}),
    "data check": ("data check list.txt", {}),
    "data frames": ("data frames list.txt -o frames", {}),
    "weights list": ("weights list", {}),
    "weights fetch": ("weights fetch http://127.0.0.1:9/w.pdparams", {}),
    "train": ("train r.yaml -o run", dict.fromkeys(("yaml", "pydantic", "paddle", "matplotlib"), "train")),
    "train with event files": (
        "train r.yaml -o run --set tensorboard=true",
        {"tensorboardX": "tensorboard", **dict.fromkeys(("yaml", "pydantic", "paddle", "matplotlib"), "train")},
    ),
    "evaluate": (
        "evaluate r.yaml --weights w.pdparams",
        dict.fromkeys(("yaml", "pydantic", "paddle"), "train"),
    ),
    "evaluate a converted model": (
        "evaluate r.yaml --weights m.onnx",
        {"yaml": "recipes", "pydantic": "recipes", "onnxruntime": "cpu"},
    ),
    "report": (
        "report m.onnx --list list.txt -o made",
        {**dict.fromkeys(("yaml", "pydantic", "matplotlib", "jinja2"), "train"), "onnxruntime": "cpu"},
    ),
    "export": ("export --weights w.pdparams -o made", {"paddle": "train"}),
    "convert onnx": (
        "convert onnx export -o c.onnx",
        {"onnx": "convert", "paddle": "convert", "paddle2onnx": "convert", "onnxruntime": "cpu"},
    ),
    "convert fp16": ("convert fp16 r.onnx -o r.fp16.onnx", {"onnx": "convert", "onnxruntime": "cpu"}),
    "convert int8": (
        "convert int8 r.onnx -o r.int8.onnx --target cpu --calibration clips --frames 48 --method min-max",
        {"onnx": "convert", "onnxruntime": "cpu"},
    ),
    "convert check": ("convert check m.onnx", {"onnx": "convert"}),
    "convert engine": ("convert engine m.onnx -o m.engine", {"onnx": "tensorrt"}),
    "convert engine for RTX": (
        "convert engine m.onnx -o m.engine --builder tensorrt-rtx",
        {"onnx": "rtx", "tensorrt_rtx_bindings": "rtx"},
    ),
    "verify": ("verify m.onnx b.onnx --clips clips", {"onnxruntime": "cpu"}),
    "verify an export": ("verify export m.onnx --clips clips", {"paddle": "convert", "onnxruntime": "cpu"}),
    "tune": ("tune m.onnx --seconds 0", {"onnxruntime": "cpu"}),
    "bench run": ("bench run --model m.onnx --only stages --folder made", {"onnxruntime": "cpu"}),
    "bench scenario": (
        "bench scenario offline --model m.onnx --driver own --repeats 1 --seconds 0.1",
        {"onnxruntime": "cpu"},
    ),
    "bench scenario by LoadGen": (
        "bench scenario offline --model m.onnx --driver loadgen --repeats 1 --seconds 0.1",
        {"mlperf_loadgen": "bench", "onnxruntime": "cpu"},
    ),
    "bench live": (
        "bench live --model m.onnx --seconds 0.1 --most 1 --source list.txt",
        {"onnxruntime": "cpu"},
    ),
    "bench stages": ("bench stages clips/0.mp4 --model m.onnx --repeats 1 --seconds 0.1", {"onnxruntime": "cpu"}),
    "bench sweep": (
        "bench sweep --model m.onnx --list list.txt --views center --segments 1 --repeats 1 --seconds 0.1",
        {"onnxruntime": "cpu"},
    ),
    "bench report": ("bench report bench.json", {}),
    "bench report as a page": ("bench report bench.json -o b.html", {"jinja2": "bench", "matplotlib": "bench"}),
    "bench report with plots": ("bench report bench.json --plots plots", {"matplotlib": "bench"}),
    "bench compare": ("bench compare bench.json bench.json", {}),
}
# Packages that are not there in every environment in which the tests run.
OWN_EXTRAS = {"train with event files": "tensorboardX", "classify to Parquet": "pyarrow"}
# All that an extra brings and the program, or what it starts, imports.
OPTIONAL = (
    "onnx", "onnxruntime", "onnxruntime_ep_nv_tensorrt_rtx", "openvino", "paddle", "paddle2onnx",
    "onnx_graphsurgeon", "onnxoptimizer", "sympy", "yaml", "pydantic", "matplotlib", "tensorrt",
    "tensorrt_rtx_bindings", "pycuda", "cuda", "aiohttp", "paho", "uvicorn", "starlette", "prometheus_client",
    "jinja2", "mlperf_loadgen", "pynvml", "pyarrow", "tensorboardX",
)  # fmt: skip


def is_needed_by_typer(package: str) -> bool:
    """Whether this version of Typer needs `package` itself, so that there is no program without it."""
    return any(entry.startswith(package) and "extra ==" not in entry for entry in metadata.requires("typer") or ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands read; the export and the checkpoint are damaged, which costs no time."""
    folder = tmp_path_factory.mktemp("work")
    model = write_tiny_model(folder / "m.onnx")
    write_tiny_model(folder / "b.onnx", mean=(0.5, 0.5, 0.52))
    write_residual_model(folder / "r.onnx")
    (folder / "clips").mkdir()
    names = [write_clip(folder / "clips" / f"{i}.mp4", frames=12).name for i in range(4)]
    (folder / "list.txt").write_text("".join(f"clips/{name} {i}\n" for i, name in enumerate(names)))
    (folder / "labels.txt").write_text("red\ngreen\nblue\nleft\n")
    (folder / "r.yaml").write_text(RECIPE)
    (folder / "w.pdparams").write_bytes(b"damaged")
    write_report(report(live()), folder / "bench.json")
    (folder / "export").mkdir()
    (folder / "export" / "spec.json").write_text(ModelFile.open(model).spec.to_json())
    (folder / "export" / "model.json").write_text("{}")
    (folder / "export" / "model.pdiparams").write_bytes(b"damaged")
    return folder


def needed() -> Iterator[Any]:
    """Every package of every command; those of which both were looked at before are slow."""
    seen: set[str] = set()
    for command, (_, packages) in COMMANDS.items():
        for package in packages:
            yield pytest.param(command, package, marks=pytest.mark.slow if {command, package} <= seen else ())
            seen |= {command, package}


@pytest.mark.parametrize(("command", "package"), list(needed()))
def test_what_a_command_needs_is_named_with_what_installs_it(folder: Path, command: str, package: str) -> None:
    if is_needed_by_typer(package):
        pytest.skip(f"this Typer needs {package} itself")
    if command == "classify to Parquet" and package != "pyarrow":
        pytest.importorskip("pyarrow")  # it is looked for first
    arguments, packages = COMMANDS[command]
    ended = run_without([package], arguments.split(), folder=folder)
    assert "Traceback" not in ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("pptsn: error: ")
    assert f"pip install 'pptsn[{packages[package]}]'" in last
    assert ended.returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_no_other_package(folder: Path, command: str) -> None:
    """All at once are hidden, of which each alone would do no less."""
    if command in OWN_EXTRAS:
        pytest.importorskip(OWN_EXTRAS[command])
    arguments, packages = COMMANDS[command]
    hidden = [name for name in OPTIONAL if name not in packages and not is_needed_by_typer(name)]
    ended = run_without(hidden, arguments.split(), folder=folder)
    assert "Traceback" not in ended.stderr
    # Neither TensorRT itself nor a GPU has an extra: where it is missing, the command says where it comes from.
    assert ended.returncode in (0, 1, 2) or command in ("convert engine", "classify by TensorRT-RTX")


def test_every_command_is_looked_at() -> None:
    groups = {"data": data, "weights": weights, "convert": convert, "bench": bench}
    names = {name for name in table_of(command_line()) if name not in groups}
    names |= {f"{group} {name}" for group, app in groups.items() for name in table_of(app)}
    looked_at = [arguments.split() for arguments, _ in COMMANDS.values()]
    assert {" ".join(words[: 1 + (words[0] in groups)]) for words in looked_at} == names


def table_of(app: Any) -> Iterable[str]:
    return app.info.cls.table  # type: ignore[no-any-return]
