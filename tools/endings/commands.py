"""The commands that are ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import UNFINISHED
from tools.endings.inputs import ADDRESS, RUN, WEIGHTS


@dataclass(frozen=True)
class Command:
    """A command line that writes into a folder.

    arguments: made of the folder of inputs and the folder for outputs.
    rows: files of lines in that folder; "-": standard output has lines of JSON, "tabs": fields parted by tabs.
    heeds: whether it ends in order with a code of its own when it is told to stop.
    stopped: the code that it has then, where it is not 128 and the signal's number, once its work has begun.
    again: what is added to run it a second time into the same folder.
    changes: a folder of inputs that it writes to as well: each run has one of its own beside that for outputs.
    """

    name: str
    arguments: Callable[[Path, Path], list[str]]
    rows: tuple[str, ...] = ()
    heeds: bool = False
    stopped: int | None = None
    again: tuple[str, ...] = ()
    changes: str = ""


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
    """Return what puts the inputs' folder for IN in `words`, the outputs' for OUT, and its parent for OWN."""

    def arguments(inputs: Path, output: Path) -> list[str]:
        places = {"IN/": inputs, "OUT/": output, "OWN/": output.parent}
        given = list(words)
        for name, place in places.items():
            given = [word.replace(name, f"{place}/") for word in given]
        return given

    return arguments


def _fetch(inputs: Path, output: Path) -> list[str]:
    return ["weights", "fetch", f"{(inputs / ADDRESS).read_text()}/{WEIGHTS}"]


_INT8 = ("--target", "cpu", "--calibration", "IN/test.txt", "--method", "min-max", "--frames", "24")
_BRIEFLY = ("--seconds", "0.2")
_TRAIN = _with_model("train", "IN/recipe.yaml", "-o", "OUT/run")
COMMANDS = (
    Command("classify to a file", _classify("-o", "OUT/rows.jsonl"), rows=("rows.jsonl", "tabs")),
    Command(
        "classify by two decoders", _classify("-o", "OUT/rows.jsonl", "--decoders", "2"), rows=("rows.jsonl",)
    ),
    Command("classify to tables", _classify("-o", "OUT/rows.csv", "-o", "OUT/rows.json"), rows=("rows.csv",)),
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
        "train by two ranks",
        _with_model("train", "IN/recipe.yaml", "-o", "OUT/run", "--devices", "cpu:2"),
        rows=("run/metrics.jsonl",),
        again=("--resume",),
        stopped=UNFINISHED,
    ),
    Command(
        "evaluate", _with_model("evaluate", "IN/recipe.yaml", "--weights", "IN/model.onnx", "--decoders", "2")
    ),
    Command("report of a run", _with_model("report", f"OWN/{RUN}", "-o", "OUT/report"), changes=RUN),
    Command(
        "report of a model",
        _with_model("report", "IN/model.onnx", "--list", "IN/test.txt", "--decoders", "2", "-o", "OUT/report"),
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
            "verify",
            "IN/model.onnx",
            "--against",
            "IN/model.onnx",
            "--clips",
            "IN/classes",
            "--report",
            "OUT/v.json",
        ),
    ),
    Command("tune", _with_model("tune", "IN/tiny.onnx", "--clip", "IN/test00.mp4", "--seconds", "1")),
    Command(
        "bench run",
        _with_model(
            *("bench", "run", "--model", "IN/tiny.onnx", "--only", "scenarios", "--repeats", "1", *_BRIEFLY),
            *("--folder", "OUT/clips", "-o", "OUT/all.json"),
        ),
    ),
    Command(
        "bench scenario",
        _with_model(
            *("bench", "scenario", "server", "--model", "IN/tiny.onnx", "--repeats", "2", *_BRIEFLY),
            *("-o", "OUT/scenario.json", "-o", "OUT/scenario.html"),
        ),
    ),
    Command(
        "bench live",
        _with_model(
            *("bench", "live", "--model", "IN/tiny.onnx", "--most", "1", "--window", "0.5", *_BRIEFLY),
            *("--clips", "OUT/clips", "-o", "OUT/live.json"),
        ),
    ),
    Command(
        "bench stages",
        _with_model(
            "bench", "stages", "IN/classes", "--model", "IN/tiny.onnx", "--seconds", "1", "-o", "OUT/stages.json"
        ),
    ),
    Command(
        "bench sweep",
        _with_model(
            *("bench", "sweep", "--model", "IN/tiny.onnx", "--list", "IN/test.txt", "--segments", "1,2"),
            *(*_BRIEFLY, "-o", "OUT/sweep.json"),
        ),
    ),
    Command(
        "bench report",
        _with_model("bench", "report", "IN/bench.json", "-o", "OUT/bench.html", "--plots", "OUT/plots"),
    ),
    Command(
        "bench compare",
        _with_model("bench", "compare", "IN/bench.json", "IN/bench.json", "-o", "OUT/compared.json"),
    ),
    Command("data folder", _with_model("data", "folder", "IN/classes", "-o", "OUT/lists", "--decoders", "2")),
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
    Command("data ucf101", _with_model("data", "ucf101", "IN/ucf101", "--clips", "IN/ucf101", "-o", "OUT/lists")),
    Command("weights fetch", _fetch),
    Command("doctor", _with_model("doctor")),
)
