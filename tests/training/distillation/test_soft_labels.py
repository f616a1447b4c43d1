"""Soft labels that are kept: what is read again, made again and refused."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.distillation.soft_labels import SoftLabels, origin
from pptsn.training.distillation.teacher import Teacher
from pptsn.training.metrics import read_metrics
from pptsn.training.network.weights import read_checkpoint, weights_digest
from pptsn.training.ranks.agreement import require_alike
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from tests.disks import small_disk
from tests.training.distillation.teachers import crafted_teacher
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")

CLIPS, CLASSES = 5, 3
LOGITS = np.random.default_rng(1).normal(size=(CLIPS, CLASSES)).astype(np.float32)
SETTINGS = {"num_seg": 2, "short_side": 36, "crop_size": 32}


def _origin(*, teacher: str = "t", clips: str = "l", seed: int = 0, **settings: int) -> dict[str, object]:
    return origin(teacher=teacher, clips=clips, seed=seed, settings=ClipSettings(**{**SETTINGS, **settings}))


def _opened(folder: Path, **of: object) -> SoftLabels:
    return SoftLabels(folder, _origin(**of), clips=CLIPS, classes=CLASSES, ranks=Ranks())  # type: ignore[arg-type]


def _asked(labels: SoftLabels, *batch: int) -> tuple[np.ndarray, list[int]]:
    """Return the answers for clips, and the places of those that the teacher was asked for."""
    indices = np.array(batch)
    asked: list[int] = []

    def ask(rows: np.ndarray) -> np.ndarray:
        asked.extend(indices[rows])
        return LOGITS[indices[rows]]

    return labels.answers(indices, ask), asked


def _written(folder: Path, *clips: int, draw: int = 0) -> Path:
    labels = _opened(folder)
    labels.begin(draw)
    _asked(labels, *clips)
    labels.end()
    return folder / f"soft-labels-{draw:04d}.npz"


def test_what_was_answered_is_read_again_and_the_rest_asked_for(tmp_path: Path) -> None:
    _written(tmp_path / "soft", 0, 3)
    labels = _opened(tmp_path / "soft")
    labels.begin(0)
    answers, asked = _asked(labels, 3, 1, 0)
    assert np.array_equal(answers, LOGITS[[3, 1, 0]])
    assert asked == [1]
    labels.end()
    labels.begin(0)
    assert _asked(labels, 1, 3)[1] == []
    labels.begin(1)  # other crops
    assert _asked(labels, 3, 1)[1] == [3, 1]


@pytest.mark.parametrize("of", [{"teacher": "u"}, {"clips": "m"}, {"seed": 1}, {"crop_size": 24}, {"num_seg": 3}])
def test_those_of_another_training_are_refused_by_what_differs(tmp_path: Path, of: dict[str, object]) -> None:
    path = _written(tmp_path / "soft", 0)
    named = {"clips": "training list"}.get(*of, *of)  # type: ignore[call-overload]
    message = rf"^{path}: holds soft labels that differ from this training in {named}; choose another"
    with pytest.raises(UsageError, match=message):
        _opened(tmp_path / "soft", **of)


@pytest.mark.parametrize("settings", [{"max_unreadable": 1}, {"draws": 4}])
def test_what_makes_no_other_crops_makes_no_other_soft_labels(tmp_path: Path, settings: dict[str, object]) -> None:
    _written(tmp_path / "soft", 0)
    assert _opened(tmp_path / "soft", **settings).line(None).endswith("a file for each epoch; 1 there")


def test_cut_anywhere_they_are_told_and_made_again(tmp_path: Path) -> None:
    path = _written(tmp_path / "soft", 0, 1, 2, 3, 4)
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        labels = _opened(tmp_path / "soft")
        assert labels.line(3).endswith("each of 3 drawings of crops; 0 there, 1 damaged, to be made again")
        labels.begin(0)
        assert _asked(labels, 2)[1] == [2]
    labels.end()
    assert _opened(tmp_path / "soft").line(3).endswith("; 1 there")


def test_a_changed_byte_of_them_is_found(tmp_path: Path) -> None:
    path = _written(tmp_path / "soft", 0, 1, 2, 3, 4)
    content = bytearray(path.read_bytes())
    content[content.find(LOGITS[2].tobytes())] ^= 1
    path.write_bytes(content)
    labels = _opened(tmp_path / "soft")
    labels.begin(0)
    assert _asked(labels, 2)[1] == [2]


def test_a_place_that_cannot_be_written_is_told_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "soft").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        _opened(tmp_path / "soft")


def test_a_full_disk_is_a_line_and_leaves_no_folder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        labels = SoftLabels(disk / "soft", _origin(), clips=50_000, classes=3, ranks=Ranks())
        labels.begin(0)
        _asked(labels, 1)
        with pytest.raises(InputError, match=r"0000\.npz: cannot be written \(No space left on device\)"):
            labels.end()
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("kept_before", [False, True])
def test_a_ctrl_c_while_they_are_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_before: bool
) -> None:
    folder = tmp_path / "soft"
    if kept_before:
        _written(folder, 0)
    before = sorted(folder.glob("*"))

    def interrupted(stream: IO[bytes], **arrays: np.ndarray) -> None:
        stream.write(b"PK")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _written(folder, 1)
    assert folder.exists() == kept_before
    assert sorted(folder.glob("*")) + sorted(folder.glob(".*")) == before
    labels = _opened(folder)
    labels.begin(0)
    assert _asked(labels, 0, 1)[1] == ([1] if kept_before else [0, 1])


def test_those_that_another_training_writes_meanwhile_are_not_taken_for_own(tmp_path: Path) -> None:
    """Both have found an empty folder."""
    labels, others = _opened(tmp_path / "soft"), _opened(tmp_path / "soft", teacher="u")
    others.begin(0)
    _asked(others, 0, 1)
    others.end()
    labels.begin(0)
    assert _asked(labels, 0, 1)[1] == [0, 1]


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), val=1)
    crafted_teacher(folder)
    return folder


def _distilled(lists: Path, **options: object) -> Recipe:
    """Three epochs of two steps, of which the third sees the crops of the first."""
    content = tiny_recipe(lists).model_dump()
    content["augmentation"]["draws"] = 2
    content["distillation"] = {"teacher": str(lists / "crafted.onnx"), **options}
    return parse_recipe(content, source="the test's recipe")


@pytest.fixture(scope="module")
def kept(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run that keeps its soft labels."""
    folder = tmp_path_factory.mktemp("kept")
    return train(_distilled(lists, soft_labels=str(folder / "soft")), folder / "run")


def _losses(result: TrainingResult) -> list[float]:
    records = read_metrics(result.last_weights.parent / "metrics.jsonl")
    return [record["soft_loss"] for record in records if record["kind"] == "iteration"]


def _digest(result: TrainingResult) -> str:
    return weights_digest(read_checkpoint(result.last_weights).arrays)


def test_kept_soft_labels_give_the_losses_of_live_ones(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: TrainingResult
) -> None:
    answer, seen = Teacher.logits, []

    def counted(self: Teacher, crops: np.ndarray) -> np.ndarray:
        seen.append(len(crops))
        return answer(self, crops)

    monkeypatch.setattr(Teacher, "logits", counted)
    live = train(_distilled(lists), tmp_path / "live")
    assert sum(seen) == 3 * 8
    assert _losses(kept) == pytest.approx(_losses(live), abs=1e-5)
    seen.clear()
    soft = kept.last_weights.parent.parent / "soft"
    again = train(_distilled(lists, soft_labels=str(soft)), tmp_path / "again")
    assert seen == []
    assert _losses(again) == pytest.approx(_losses(live), abs=1e-5)
    assert sorted(path.name for path in soft.iterdir()) == ["soft-labels-0000.npz", "soft-labels-0001.npz"]


@pytest.mark.parametrize(("epoch", "step"), [(2, 1), pytest.param(1, 1, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_to_the_weights_of_the_undisturbed(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: TrainingResult, epoch: int, step: int
) -> None:
    recipe = _distilled(lists, soft_labels=str(tmp_path / "soft"))
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=epoch, step=step)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    assert _digest(train(recipe, tmp_path / "run", resume=True)) == _digest(kept)


def test_those_of_other_crops_are_refused_before_a_folder_is_made(
    lists: Path, tmp_path: Path, kept: TrainingResult
) -> None:
    content = _distilled(lists, soft_labels=str(kept.last_weights.parent.parent / "soft")).model_dump()
    content["augmentation"]["hue"] = 0.1
    with pytest.raises(UsageError, match="differ from this training in colours"):
        train(parse_recipe(content, source="the test's recipe"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_after_a_full_disk_a_run_goes_on_with_another_folder(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: TrainingResult
) -> None:
    """To the same weights; in the same it would fail again."""
    write = SoftLabels._write

    def full(self: SoftLabels, path: Path) -> None:
        if "0001" in path.name:
            raise InputError(path, "cannot be written (No space left on device)", "choose a writable place")
        write(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(SoftLabels, "_write", full)
        with pytest.raises(InputError, match=r"0001\.npz: cannot be written"):
            train(_distilled(lists, soft_labels=str(tmp_path / "small")), tmp_path / "run")
    recipe = _distilled(lists, soft_labels=str(tmp_path / "large"))
    assert _digest(train(recipe, tmp_path / "run", resume=True)) == _digest(kept)


def test_ranks_keep_them_in_one_folder(lists: Path) -> None:
    """What is done with them all ranks do together."""
    own, other = (_distilled(lists, soft_labels=name) for name in ("a", "b"))

    class Two(Ranks):
        def gather(self, value: Any) -> list[Any]:
            return [value, {**value, "recipe": other.model_dump(mode="json")}]

    message = r"^rank 1: was started with another recipe than rank 0: distillation\.soft_labels \(a → b\)"
    with pytest.raises(UsageError, match=message):
        require_alike(Two(), own, "l")
