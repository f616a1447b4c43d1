"""What cannot be trained on or written is one line of rank 0, and leaves what was there, as by one rank."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from pptsn.runtime.base.errors import FAILED
from pptsn.training.checkpoint.run_folder import WEIGHTS_NAME
from pptsn.training.network.weights import read_checkpoint
from tests.disks import small_disk
from tests.servers import free_port
from tests.training.clips import level_frame
from tests.training.narrow import NARROWING
from tests.training.ranks.jobs import COMMAND, ended, environment_of, errors_of, started
from tests.training.runs import make_lists, tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("narrow")]

# Root may write wherever it likes, unless it gives up what lets it.
_AS_OTHERS = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), train=8, val=3)
    (folder / "recipe.yaml").write_text(tiny_recipe(folder, epochs=9, batch_size=2).to_yaml())
    return folder


def error_of(lists: Path, run: Path, *options: str, before: Sequence[str] = ()) -> str:
    """Return the one line of two ranks that end with code 1."""
    arguments = ["train", str(lists / "recipe.yaml"), "-o", str(run), *options]
    command, port = [*before, sys.executable, "-c", NARROWING + COMMAND, *arguments], free_port()
    with started([command] * 2, [environment_of(rank, 2, port) for rank in range(2)]) as processes:
        (first, _, errors), (second, _, others) = ended(processes)
    assert (first, second) == (FAILED, FAILED), errors
    assert errors_of(others) == []
    assert "Traceback" not in errors + others
    (line,) = errors_of(errors)
    return line


def test_a_folder_without_permission_is_told(lists: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    line = error_of(lists, closed / "run", before=_AS_OTHERS)
    assert f"{closed / 'run'}: cannot be written (Permission denied); choose a writable place" in line
    assert list(closed.iterdir()) == []


def test_weights_that_are_not_there_leave_no_folder(lists: Path, tmp_path: Path) -> None:
    line = error_of(lists, tmp_path / "run", "--set", "model.pretrained=ResNet50.pdparams")
    assert "ResNet50.pdparams: cannot be read (No such file or directory)" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_a_folder_of_frames_with_a_gap_is_told_of_whichever_rank(lists: Path, tmp_path: Path, number: int) -> None:
    """In the list of validation, which is shared out in its order."""
    for clip in range(2):
        (tmp_path / f"c{clip}").mkdir()
        for frame in (1, 2, 4, 5) if clip == number else range(1, 6):
            cv2.imwrite(str(tmp_path / f"c{clip}" / f"img_{frame:05}.jpg"), level_frame(9, width=40))
    (tmp_path / "train.txt").write_text(f"c{1 - number} 5 0\n" * 4)
    (tmp_path / "val.txt").write_text("c0 5 0\nc1 5 0\n")
    changes = {name: str(tmp_path / f"{name}.txt") for name in ("train", "val")}
    changes |= {"format": "frames", "max_unreadable": "0.1"}
    options = [part for key, value in changes.items() for part in ("--set", f"data.{key}={value}")]
    line = error_of(lists, tmp_path / "run", *options)
    assert f"{tmp_path / f'c{number}'}: frame number 3 is missing" in line
    assert line.startswith("pptsn: error: rank 1: " if number else "pptsn: error: data loading: ")


def test_a_disk_that_fills_in_a_save_is_told_and_earlier_checkpoints_stay(lists: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=700) as disk:
        assert "No space left on device" in error_of(lists, disk / "run")
        assert list((disk / "run").rglob(".*")) == []
        (folder,) = (disk / "run" / "checkpoints").iterdir()
        read_checkpoint(folder / WEIGHTS_NAME)
