"""Event files for TensorBoard have what `metrics.jsonl` has, each step once."""

from __future__ import annotations

import errno
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError, PptsnError
from pptsn.training.metrics import read_metrics
from pptsn.training.recipe import Recipe, changed_keys
from pptsn.training.tensorboard import EventFile
from pptsn.training.trainer import train
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

LOSS = {"kind": "iteration", "epoch": 0.5, "iteration": 3, "loss": 0.25, "rate": 0.125}
CURVES = {"loss": "train/loss", "rate": "train/rate"}
OF_EPOCHS = {
    "train_loss": "train/loss_of_epoch",
    "clips_per_s": "train/clips_per_s",
    "val_loss": "validation/loss",
    "val_top1": "validation/top1",
    "val_top5": "validation/top5",
}


def events_of(folder: Path) -> Iterator[Any]:
    """Yield the events of the only file in `folder`: each stands between its length and two checksums."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[12 + length + 4 :]


def values_of(folder: Path) -> list[tuple[str, int, float]]:
    """Return (tag, step, value) of all curves, in the order of the file."""
    return [(v.tag, event.step, v.simple_value) for event in events_of(folder) for v in event.summary.value]


def values_in(metrics: Path) -> list[tuple[str, int, float]]:
    """Return what an event file should have of `metrics`; values in it are FP32."""
    return [
        (tag, record["iteration"], struct.unpack("<f", struct.pack("<f", record[key]))[0])
        for record in read_metrics(metrics)
        for key, tag in {"iteration": CURVES, "epoch": OF_EPOCHS}.get(record["kind"], {}).items()
    ]


def with_events(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"tensorboard": True})


@pytest.fixture
def written() -> None:
    pytest.importorskip("tensorboardX")


@pytest.mark.usefixtures("narrow", "undrawn", "written")
@pytest.mark.parametrize("before", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_run_that_was_cut_and_resumed_has_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """The second epoch's first step was written, and is done again; `before`: into an event file, too."""
    recipe, run = tiny_recipe(make_lists(tmp_path), epochs=2), tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=1, step=1)
        with pytest.raises(PptsnError, match="interrupted in epoch 2"):
            train(with_events(recipe) if before else recipe, run)
    if before:
        assert len({step for tag, step, _ in values_of(run / "tensorboard") if tag == "train/loss"}) == 3
    train(with_events(recipe), run, resume=True)
    values = values_of(run / "tensorboard")
    assert values == values_in(run / "metrics.jsonl")
    assert set(Counter((tag, step) for tag, step, _ in values).values()) == {1}
    assert [step for tag, step, _ in values if tag == "train/loss"] == [0, 1, 2, 3]
    assert [step for tag, step, _ in values if tag == "validation/top1"] == [2, 4]


@pytest.mark.usefixtures("written")
def test_a_tensorboard_that_looks_on_forgets_what_is_replaced(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import SessionLog

    for begun_anew in (False, True):
        with EventFile(tmp_path / "tensorboard", [LOSS]):
            pass
        version, *events = events_of(tmp_path / "tensorboard")
        assert version.file_version == "brain.Event:2"
        starts = [event.step for event in events if event.session_log.status == SessionLog.START]
        assert starts == [0] * begun_anew


@pytest.mark.usefixtures("written")
def test_where_nothing_is_measured_nothing_is_left(tmp_path: Path) -> None:
    with EventFile(tmp_path / "tensorboard") as file:
        file.write({"kind": "profile", "first": 1})
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("stage", ["folder", "write", "flush", "close"])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    from tensorboardX.event_file_writer import EventsWriter

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "tensorboard"
    if stage == "folder":
        monkeypatch.setattr(Path, "mkdir", full)
    elif stage != "close":
        monkeypatch.setattr(EventsWriter, {"write": "write_event", "flush": "flush"}[stage], full)
    expected = pytest.raises(InputError, match=r"tensorboard: cannot be written \(.*\); make room, .* --resume$")
    with expected, EventFile(folder, [LOSS]) as file:
        file.write(LOSS)
        monkeypatch.setattr(EventsWriter, "close", full)


def test_without_tensorboardx_a_line_says_how_to_get_it_and_no_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    recipe = tiny_recipe(make_lists(tmp_path, train=4, val=1))
    with pytest.raises(
        MissingDependencyError, match=r"^tensorboardX: .*; run: pip install 'pptsn\[tensorboard\]'"
    ):
        train(with_events(recipe), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_and_without_them(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    assert not recipe.tensorboard
    assert changed_keys(recipe, with_events(recipe)) == changed_keys(with_events(recipe), recipe) == []


@pytest.mark.usefixtures("written")
def test_a_distillation_has_the_parts_of_its_losses(tmp_path: Path) -> None:
    step = {**LOSS, "label_loss": 0.5, "soft_loss": 2.0}
    epoch = {
        "kind": "epoch",
        "iteration": 4,
        "train_label_loss": 0.25,
        "train_soft_loss": 4.0,
        "val_averaged": True,
    }
    with EventFile(tmp_path / "tensorboard", [step, epoch]):
        pass
    assert {tag: value for tag, _, value in values_of(tmp_path / "tensorboard")} == {
        "train/loss": 0.25,
        "train/rate": 0.125,
        "train/label_loss": 0.5,
        "train/soft_loss": 2.0,
        "train/label_loss_of_epoch": 0.25,
        "train/soft_loss_of_epoch": 4.0,
    }
