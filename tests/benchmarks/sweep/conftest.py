"""Clips of one colour each, a list of them, and processes that end otherwise than they should."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.sweep import process, run
from pptsn.training.synthetic.mp4 import write_mp4
from tests.clips import write_clip

# The tiny model's answers: red, green, blue.  The pale clip counts as red, and the model says `green`.
COLOURS = {"red": (220, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 210), "pale": (150, 180, 140)}
LINES = ("red.mp4 0", "green.mp4 1", "blue.mp4 2", "pale.mp4 0", "broken.mp4 1")


def fill(folder: Path) -> Path:
    """Write the clips and two lists of them, `test.txt` with labels and `paths.txt` without."""
    for name, colour in COLOURS.items():
        write_mp4(folder / f"{name}.mp4", [np.full((48, 64, 3), colour, np.uint8)] * 6, fps=10)
    (folder / "broken.mp4").write_bytes(b"no video")
    write_clip(folder / "long.mp4", frames=30)
    (folder / "test.txt").write_text("\n".join(LINES) + "\n")
    (folder / "paths.txt").write_text("".join(f"{line.split()[0]}\n" for line in LINES))
    return folder


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def quick() -> Method:
    return Method(repeats=2, least_s=0.02)


# In place of the program of a cell's process: what it does depends on the name of the model.
UNRULY = """
import json, os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[2])
model = json.loads((folder / "job.json").read_text())["cell"]["model"]
if "killed" in model:
    os.kill(os.getpid(), signal.SIGKILL)
if "raises" in model:
    raise RuntimeError("all went wrong")
if "slow" in model or "interrupts" in model:
    Path(model).write_text(str(os.getpid()))
    if "interrupts" in model:
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
"""


@pytest.fixture
def unruly() -> str:
    """A program that runs a cell, unless the name of its model says to be killed, to raise, to sleep."""
    return UNRULY + process.PROGRAM


@pytest.fixture
def unruly_cells(unruly: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sweeps run their cells by the program `unruly`."""
    monkeypatch.setattr(run, "find_in_child", functools.partial(process.find_in_child, program=unruly))
