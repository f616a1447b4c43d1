"""What the commands that are ended work on: small, and made anew for each run of the tool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from pptsn.training.network.weights import save_weights
from pptsn.training.synthetic.mp4 import write_mp4
from tools.targets.tiny_model import write_tiny_model

PPTSN = (sys.executable, "-m", "pptsn")
_CLIPS = {"train": 8, "val": 4, "test": 12}
FRAMES, _WIDTH, _HEIGHT, _FPS = 20, 40, 36, 10
_LABELS = ("red", "green", "blue")
_SIZE = ("--depth", "18", "--crop-size", "32", "--short-side", "40")
_ANNOTATED = 2000
_UCF_CLASSES, _UCF_CLIPS = 101, 20
_CLIPS_A_CLASS = 12
WEIGHTS, _WEIGHTS_NUMBERS = "weights.pdparams", 500_000
_BRIEFLY = ("--seconds", "0.05", "--repeats", "1", "--segments", "2")
RUN = "run"
# What has the address of the folder of inputs.
ADDRESS = "address.txt"


def make_inputs(folder: Path) -> None:
    """Write clips, lists, a recipe and models into the empty `folder`."""
    write_training(folder)
    (folder / "many.txt").write_text("".join(f"test{i % 12:02}.mp4\n" for i in range(600)))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in _LABELS))
    _write_kinetics(folder / "k400")
    _write_ucf101(folder / "ucf101")
    for label, name in enumerate(_LABELS):
        (folder / "classes" / name).mkdir(parents=True)
        for i in range(_CLIPS_A_CLASS):
            _write_clip(folder / "classes" / name / f"{i:02}.mp4", level=40 + 70 * label + i)
    save_weights({"w": np.zeros(_WEIGHTS_NUMBERS, np.float32)}, folder / WEIGHTS)
    write_tiny_model(folder / "tiny.onnx")
    labels, export = folder / "labels.txt", folder / "export"
    _pptsn("export", "--untrained", "0", "--labels", labels, *_SIZE, "-o", export)
    _pptsn("convert", "onnx", export, "-o", folder / "model.onnx")
    _pptsn("train", folder / "recipe.yaml", "-o", folder / RUN, "--set", "optimizer.epochs=1")
    _pptsn("bench", "scenario", "offline", "--model", folder / "tiny.onnx", *_BRIEFLY, "-o", folder / "bench.json")


def write_training(folder: Path) -> None:
    """Write clips, their lists and a recipe of seconds into `folder`."""
    for name, count in _CLIPS.items():
        lines = [f"{name}{i:02}.mp4 {i % len(_LABELS)}\n" for i in range(count)]
        for i in range(count):
            _write_clip(folder / f"{name}{i:02}.mp4", level=40 + 70 * (i % len(_LABELS)))
        (folder / f"{name}.txt").write_text("".join(lines))
    (folder / "recipe.yaml").write_text(json.dumps(_recipe(folder)))  # JSON is YAML


def _write_clip(path: Path, *, level: int) -> None:
    frames = (np.full((_HEIGHT, _WIDTH, 3), level + 2 * i, np.uint8) for i in range(FRAMES))
    write_mp4(path, frames, fps=_FPS)


def _write_kinetics(folder: Path) -> None:
    """Write annotations as of Kinetics-400, and empty files in place of their clips, of which one is missing."""
    clips = folder / "archery"
    clips.mkdir(parents=True)
    names = [f"clip{number:07}" for number in range(_ANNOTATED)]
    rows = "".join(f"archery,{name},1,11,train,0\n" for name in names)
    (folder / "train.csv").write_text(f"label,youtube_id,time_start,time_end,split,is_cc\n{rows}")
    for name in names[1:]:
        (clips / f"{name}_000001_000011.mp4").touch()


def _write_ucf101(folder: Path) -> None:
    """Write annotations as of UCF-101, and empty files in place of their clips."""
    folder.mkdir()
    names = [f"Class{number}" for number in range(1, _UCF_CLASSES + 1)]
    (folder / "classInd.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, 1)))
    clips = [f"{name}/v_{name}_g{i:02}_c01.avi" for name in names for i in range(1, _UCF_CLIPS + 1)]
    for clip in clips:
        (folder / clip).parent.mkdir(exist_ok=True)
        (folder / clip).touch()
    for fold in (1, 2, 3):
        (folder / f"trainlist{fold:02}.txt").write_text(
            "".join(f"{clip} {clip.split('/')[0][len('Class') :]}\n" for clip in clips[fold:])
        )
        (folder / f"testlist{fold:02}.txt").write_text("".join(f"{clip}\n" for clip in clips[:fold]))


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
