"""The commands that are ended, and what they work on: small, and made anew for each run of the tool."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import UNFINISHED
from pptsn.training.network.weights import save_weights
from pptsn.training.synthetic.mp4 import write_mp4
from tools.targets.tiny_model import write_tiny_model

PPTSN = (sys.executable, "-m", "pptsn")
_CLIPS = {"train": 8, "val": 4, "test": 12}
FRAMES, _WIDTH, _HEIGHT, _FPS = 20, 40, 36, 10
_LABELS = ("red", "green", "blue")
_SIZE = ("--depth", "18", "--crop-size", "32", "--short-side", "40")
_ANNOTATED = 2000
_WEIGHTS, _WEIGHTS_NUMBERS = "weights.pdparams", 500_000
# What has the address of the folder of inputs.
ADDRESS = "address.txt"


@dataclass(frozen=True)
class Command:
    """A command line that writes into a folder.

    arguments: made of the folder of inputs and the folder for outputs.
    rows: files of lines in that folder; "-": standard output has lines of JSON, "tabs": fields parted by tabs.
    heeds: whether it ends in order with a code of its own when it is told to stop.
    stopped: the code that it has then, where it is not 128 and the signal's number, once its work has begun.
    again: what is added to run it a second time into the same folder.
    """

    name: str
    arguments: Callable[[Path, Path], list[str]]
    rows: tuple[str, ...] = ()
    heeds: bool = False
    stopped: int | None = None
    again: tuple[str, ...] = ()


def _classify(*options: str) -> Callable[[Path, Path], list[str]]:
    def arguments(inputs: Path, output: Path) -> list[str]:
        given = [option.replace("OUT", str(output)) for option in options]
        return ["classify", f"@{inputs / 'many.txt'}", "--model", str(inputs / "tiny.onnx"), *given]

    return arguments


def _stream(*options: str) -> Callable[[Path, Path], list[str]]:
    def arguments(inputs: Path, output: Path) -> list[str]:
        sources = [str(inputs / f"test0{i}.mp4") for i in range(3)]
        given = [option.replace("OUT", str(output)) for option in options]
        return ["stream", *sources, "synthetic:?seconds=6", "--model", str(inputs / "tiny.onnx"), *given]

    return arguments


def _with_model(*words: str) -> Callable[[Path, Path], list[str]]:
    """Return what puts the inputs' folder for IN in `words`, and the outputs' for OUT."""
    return lambda inputs, output: [
        word.replace("IN/", f"{inputs}/").replace("OUT/", f"{output}/") for word in words
    ]


def _fetch(inputs: Path, output: Path) -> list[str]:
    return ["weights", "fetch", f"{(inputs / ADDRESS).read_text()}/{_WEIGHTS}"]


_INT8 = ("--target", "cpu", "--calibration", "IN/test.txt", "--method", "min-max", "--frames", "24")
_TRAIN = _with_model("train", "IN/recipe.yaml", "-o", "OUT/run")
COMMANDS = (
    Command("classify to a file", _classify("-o", "OUT/rows.jsonl"), rows=("rows.jsonl", "tabs")),
    Command(
        "classify by two decoders", _classify("-o", "OUT/rows.jsonl", "--decoders", "2"), rows=("rows.jsonl",)
    ),
    Command("classify as JSON", _classify("-o", "-"), rows=("-",)),
    Command("classify to a pipe", _classify("--top", "2", "--decoders", "0"), rows=("tabs",)),
    Command("stream to lines", _stream("-o", "OUT/s.jsonl"), rows=("s.jsonl", "tabs"), heeds=True),
    Command("stream to a table", _stream("-o", "OUT/s.csv", "--realtime"), rows=("s.csv",), heeds=True),
    Command("stream as JSON", _stream("-o", "-"), rows=("-",), heeds=True),
    Command("stream to videos", _stream("-o", "OUT/{stream}.mp4", "-o", "OUT/s.jsonl"), ("s.jsonl",), heeds=True),
    Command("train", _TRAIN, rows=("run/metrics.jsonl",), again=("--resume",), stopped=UNFINISHED),
    Command(
        "train by two loaders",
        _with_model("train", "IN/recipe.yaml", "-o", "OUT/run", "--set", "data.workers=2"),
        rows=("run/metrics.jsonl",),
        again=("--resume",),
        stopped=UNFINISHED,
    ),
    Command(
        "evaluate", _with_model("evaluate", "IN/recipe.yaml", "--weights", "IN/model.onnx", "--decoders", "2")
    ),
    Command(
        "export", _with_model("export", "--untrained", "1", "--depth", "18", "--classes", "3", "-o", "OUT/export")
    ),
    Command("synthesize", _with_model("synthesize", "OUT/set")),
    Command("convert onnx", _with_model("convert", "onnx", "IN/export", "-o", "OUT/model.onnx")),
    Command("convert fp16", _with_model("convert", "fp16", "IN/model.onnx", "-o", "OUT/model.fp16.onnx")),
    Command("convert int8", _with_model("convert", "int8", "IN/model.onnx", "-o", "OUT/model.int8.onnx", *_INT8)),
    Command(
        "verify",
        _with_model(
            "verify", "IN/model.onnx", "--against", "IN/model.onnx", "--clips", "IN/", "--report", "OUT/v.json"
        ),
    ),
    Command(
        "bench stages",
        _with_model(
            "bench", "stages", "IN/", "--model", "IN/tiny.onnx", "--seconds", "1", "-o", "OUT/stages.json"
        ),
    ),
    Command(
        "bench sweep",
        _with_model(
            *("bench", "sweep", "--model", "IN/tiny.onnx", "--list", "IN/test.txt", "--segments", "1,2"),
            *("--seconds", "0.2", "-o", "OUT/sweep.json"),
        ),
    ),
    Command(
        "data frames",
        _with_model("data", "frames", "IN/test.txt", "--prefix", "IN/", "-o", "OUT/frames", "--decoders", "2"),
    ),
    Command(
        "data check",
        _with_model("data", "check", "IN/test.txt", "--prefix", "IN/", "-o", "OUT/sound.list", "--json"),
        rows=("-",),
    ),
    Command("data k400", _with_model("data", "k400", "IN/k400", "--clips", "IN/k400", "-o", "OUT/lists")),
    Command("weights fetch", _fetch),
    Command("doctor", _with_model("doctor")),
)


def make_inputs(folder: Path) -> None:
    """Write clips, lists, a recipe and models into the empty `folder`."""
    for name, count in _CLIPS.items():
        lines = [f"{name}{i:02}.mp4 {i % len(_LABELS)}\n" for i in range(count)]
        for i in range(count):
            _write_clip(folder / f"{name}{i:02}.mp4", level=40 + 70 * (i % len(_LABELS)))
        (folder / f"{name}.txt").write_text("".join(lines))
    (folder / "many.txt").write_text("".join(f"test{i % 12:02}.mp4\n" for i in range(600)))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in _LABELS))
    _write_data_set(folder / "k400")
    save_weights({"w": np.zeros(_WEIGHTS_NUMBERS, np.float32)}, folder / _WEIGHTS)
    (folder / "recipe.yaml").write_text(json.dumps(_recipe(folder)))  # JSON is YAML
    write_tiny_model(folder / "tiny.onnx")
    size = ("--crop-size", "32", "--short-side", "40")
    _pptsn(
        "export",
        "--untrained",
        "0",
        "--labels",
        folder / "labels.txt",
        "--depth",
        "18",
        *size,
        "-o",
        folder / "export",
    )
    _pptsn("convert", "onnx", folder / "export", "-o", folder / "model.onnx")


def _write_clip(path: Path, *, level: int) -> None:
    frames = (np.full((_HEIGHT, _WIDTH, 3), level + 2 * i, np.uint8) for i in range(FRAMES))
    write_mp4(path, frames, fps=_FPS)


def _write_data_set(folder: Path) -> None:
    """Write annotations as of Kinetics-400, and empty files in place of their clips, of which one is missing."""
    clips = folder / "archery"
    clips.mkdir(parents=True)
    names = [f"clip{number:07}" for number in range(_ANNOTATED)]
    rows = "".join(f"archery,{name},1,11,train,0\n" for name in names)
    (folder / "train.csv").write_text(f"label,youtube_id,time_start,time_end,split,is_cc\n{rows}")
    for name in names[1:]:
        (clips / f"{name}_000001_000011.mp4").touch()


def _recipe(folder: Path) -> dict[str, object]:
    lists = {name: str(folder / f"{name}.txt") for name in _CLIPS}
    return {
        "model": {"depth": 18, "classes": len(_LABELS), "num_seg": 2, "short_side": 36, "crop_size": 32},
        "data": {**lists, "workers": 0},
        "optimizer": {"epochs": 4, "batch_size": 4, "base_rate": 0.01, "warmup_epochs": 1},
        "evaluation": {"segments": 2},
        "device": "cpu",
        "log_every": 1,
    }


def _pptsn(*arguments: object) -> None:
    subprocess.run([*PPTSN, "--quiet", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
