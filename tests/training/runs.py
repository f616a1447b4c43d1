"""Training runs of seconds: tiny clips whose class is their grey level, and the smallest network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.training.data.loader import Batch
from pptsn.training.learning.learner import Learner
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.synthetic.mp4 import write_mp4
from tests.training.clips import level_frame
from tests.training.narrow import NARROWING

LEVELS = (30, 120, 220)


def make_lists(folder: Path, *, train: int = 8, val: int = 3) -> Path:
    """Lists `train.txt` and `val.txt` (`test.txt` is the same as val) of clips in `folder`."""
    for name, count in (("train", train), ("val", val)):
        lines = []
        for index in range(count):
            label = index % len(LEVELS)
            frames = [level_frame(LEVELS[label] + 2 * frame, width=40, height=36) for frame in range(3)]
            write_mp4(folder / f"{name} {index}.mp4", frames, fps=10)
            lines.append(f"{name} {index}.mp4 {label}\n")
        (folder / f"{name}.txt").write_text("".join(lines))
    (folder / "test.txt").write_text((folder / "val.txt").read_text())
    return folder


def tiny_recipe(folder: Path, **optimizer: object) -> Recipe:
    """Two batches of four clips an epoch, three epochs; dropout and mixup on, so that randomness shows."""
    values = {
        "model": {"depth": 18, "classes": len(LEVELS), "num_seg": 2, "short_side": 36, "crop_size": 32},
        "data": {
            **{name: str(folder / f"{name}.txt") for name in ("train", "val", "test")},
            "workers": 0,
            "max_unreadable": 0.5,
        },
        "optimizer": {"epochs": 3, "batch_size": 4, "base_rate": 0.01, "warmup_epochs": 1, **optimizer},
        "evaluation": {"segments": 2, "batch_crops": 7},
        "device": "cpu",
        "log_every": 1,
    }
    return parse_recipe(values, source="the test's recipe")


def start_program(*arguments: object) -> subprocess.Popen[bytes]:
    """Run `pptsn` in a process of its own, with a narrow network; what it prints besides errors is not kept."""
    code = NARROWING + "from pptsn.cli.program import main\nmain()\n"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def interrupt_in(monkeypatch: pytest.MonkeyPatch, *, epoch: int, step: int) -> None:
    """Make the training raise KeyboardInterrupt, as Ctrl-C does, at a step (from 0) of an epoch (from 0)."""
    original = Learner.add

    def interrupted(self: Learner, batch: Batch, *, part: int) -> float:
        if (int(self.epoch), self.iteration % 2) == (epoch, step):
            raise KeyboardInterrupt
        return original(self, batch, part=part)

    monkeypatch.setattr(Learner, "add", interrupted)


def start_training(recipe_file: Path, output: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Train in a process of its own, resuming whatever is there; `environment` is added to this process's.

    The network is narrow, as that of its comparison in this process.
    """
    code = NARROWING + (
        "import sys; from pptsn.training.recipe import load_recipe; from pptsn.training.trainer import train\n"
        "from pptsn.runtime.base.errors import PptsnError\n"
        "try: train(load_recipe(sys.argv[1]), sys.argv[2], resume=True)\n"
        "except PptsnError as error: sys.exit(f'pptsn: {error}')\n"
    )
    command = [sys.executable, "-c", code, str(recipe_file), str(output)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **environment})
