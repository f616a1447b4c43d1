"""From folders of few clips to a cross-validated report: who answers what, and what cannot be."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pptsn.cli.data.folder import folder
from pptsn.cli.report import report as report_command
from pptsn.cli.train import train as train_command
from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.evaluate.calibration import fit_temperature
from pptsn.training.datasets.folder.making import FolderSettings, make_folder
from pptsn.training.learning.cross_fitting import cross_fit
from pptsn.training.learning.linear_head import LinearHead
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import save_weights, state_of
from pptsn.training.recipe import Recipe, load_recipe
from pptsn.training.report.run import report
from pptsn.training.synthetic.mp4 import write_mp4
from pptsn.training.trainer import train
from tests.training.clips import level_frame

FOLDS, CLIPS = 3, 4
SMALL = ["model.num_seg=2", "model.short_side=36", "model.crop_size=32", "data.workers=0", "device=cpu"]
SETTINGS = {"settings": ClassifySettings(decoders=0), "runner": EngineSettings()}

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, narrow: None) -> Path:
    """Four clips of each of two classes, in part alike, the weights to begin with, and lists of three folds."""
    folder = tmp_path_factory.mktemp("place")
    for label, name in enumerate(("dark", "light")):
        (folder / "clips" / name).mkdir(parents=True)
        for index in range(CLIPS):
            level = 40 + 20 * index + 70 * label
            write_mp4(
                folder / "clips" / name / f"{index}.mp4", [level_frame(level, width=40, height=36)] * 3, fps=10
            )
    paddle.seed(0)
    save_weights(state_of(PPTSN(18, 7)), folder / "start.pdparams")
    make(folder, folder / "my")
    return folder


def make(place: Path, output: Path, **settings: object) -> list[str]:
    notes: list[str] = []
    chosen = FolderSettings(**{"weights": place / "start.pdparams", "folds": FOLDS, **settings})
    make_folder(place / "clips", output, settings=chosen, decoders=0, note=notes.append)
    return notes


def recipe_of(place: Path, *changes: str) -> Recipe:
    return load_recipe(place / "my" / "recipe.yaml", [*SMALL, *changes])


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    train(recipe_of(place), place / "run")
    return place / "run"


def test_each_clip_is_in_one_fold_and_each_class_in_all(place: Path) -> None:
    assert sorted(p.name for p in (place / "my").iterdir()) == [
        "folds.txt",
        "labels.txt",
        "lists.report.json",
        "recipe.yaml",
        "train.txt",
    ]
    clips, folds = (read_list(place / "my" / name) for name in ("train.txt", "folds.txt"))
    assert [clip.path for clip in clips] == [fold.path for fold in folds]
    held = Counter((clip.label, fold.label) for clip, fold in zip(clips, folds, strict=True))
    assert held.keys() == {(label, fold) for label in range(2) for fold in range(FOLDS)}
    assert max(held.values()) - min(held.values()) <= 1


def test_clips_of_one_source_are_in_one_fold(place: Path, tmp_path: Path) -> None:
    notes = make(place, tmp_path / "my", group="([0-3])$")  # one of each class
    held = Counter((Path(fold.path).stem, fold.label) for fold in read_list(tmp_path / "my" / "folds.txt"))
    assert sorted(held.values()) == [2] * CLIPS
    assert any("8 clips of 4 sources" in note for note in notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 5}, "too few clips: of dark 4, light 4 there are, but 5 folds need 5 clips of each class"),
        ({"folds": 5}, "or cross-validate with --folds 4"),
        ({"folds": 1}, "--folds: is 1, expected 2 to 20"),
        ({"weights": None}, "--folds: .*name the weights by --weights"),
        ({"val": 0.3}, "--val: is the share of a list, of which --folds makes none; leave it out"),
        ({"test": 0.1}, "--test: is the share of a list, of which --folds makes none; leave it out"),
        ({"group": "^(dark|light)"}, "too few clips: of dark 1, light 1"),
    ],
)
def test_folds_that_cannot_be_are_a_line_and_leave_nothing(
    place: Path, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(PptsnError, match=message):
        make(place, tmp_path / "my", **settings)
    assert not (tmp_path / "my").exists()


def test_a_small_test_list_is_told_with_what_helps_and_goes_where_folds_are_made(
    place: Path, tmp_path: Path
) -> None:
    notes = make(place, tmp_path / "my", folds=None)
    assert [note for note in notes if "the test list has 1 clip of dark" in note and "--folds 4" in note]
    assert (tmp_path / "my" / "val.txt").exists()
    assert any("may be in several lists" in note for note in notes)
    folded = make(place, tmp_path / "my")
    assert any("may be in several folds" in note for note in folded)
    assert not any("the test list has" in note for note in folded)
    assert {"val.txt", "test.txt"}.isdisjoint(path.name for path in (tmp_path / "my").iterdir())


def test_no_answer_is_by_what_has_learned_from_the_clip() -> None:
    labels, folds = np.array([0, 1] * 4), np.array([0, 0, 1, 1, 2, 2, 2, 2])
    features = np.eye(8, dtype=np.float32)  # a clip each

    def fit(learned: np.ndarray, labels: np.ndarray, penalty: float) -> LinearHead:
        # As sure of a clip that it has learned from as the penalty says.
        weight = np.stack([learned.T @ (labels == label) for label in range(2)], axis=1) * penalty
        return LinearHead(weight.astype(np.float32), np.zeros(2, np.float32))

    crossed = cross_fit(features, labels, folds, penalties=(1.0, 9.0), fit=fit, loss=lambda logits, _: 1.0)
    assert (crossed.logits == 0).all()
    assert (fit(features, labels, 1.0).logits(features) != 0).any(axis=1).all()


def test_the_penalty_of_a_fold_is_chosen_by_the_others() -> None:
    labels, folds = np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2])
    features = folds[:, None].astype(np.float32)

    def fit(learned: np.ndarray, labels: np.ndarray, penalty: float) -> LinearHead:
        return LinearHead(np.zeros((1, 2), np.float32), np.array([penalty, 0], np.float32))

    def loss(logits: np.ndarray, labels: np.ndarray) -> float:
        # Whoever sees four clips does not see a fold; all six are seen for the head of all.
        return float(logits[0, 0]) if len(labels) == 4 else -float(logits[0, 0])

    crossed = cross_fit(features, labels, folds, penalties=(1.0, 9.0), fit=fit, loss=loss)
    assert (crossed.logits[:, 0] == 1.0).all()
    assert crossed.penalty == 9.0


def test_a_report_says_that_its_figures_are_cross_validated(place: Path, run: Path, tmp_path: Path) -> None:
    kept = json.loads((run / "out-of-fold.json").read_text())
    logits = np.array([answer["logits"] for answer in kept["answers"]], np.float32)
    labels = np.array([answer["clip"]["label"] for answer in kept["answers"]])
    folds = np.array([answer["fold"] for answer in kept["answers"]])
    right = logits.argmax(axis=1) == labels
    findings = report(run, tmp_path / "made", **SETTINGS)
    written = json.loads((tmp_path / "made" / "report.json").read_text())
    assert (written["top1"]["right"], written["top1"]["clips"]) == (right.sum(), 2 * CLIPS)
    assert written["cross_validation"]["folds"] == FOLDS
    by_fold = [right[folds == fold].mean() for fold in range(FOLDS)]
    assert written["cross_validation"]["mean_top1"] == pytest.approx(np.mean(by_fold))
    assert written["temperature"] == fit_temperature(logits, labels) is not None
    assert written["calibration_error_at_it"] is None
    assert "none of them is the model of this run" in written["notes"][0]
    page = (tmp_path / "made" / "index.html").read_text()
    assert f"cross-validated in {FOLDS} folds" in page
    assert "none of them is the model of this run" in page
    spec = json.loads((run / "best.spec.json").read_text())
    assert spec["temperature"] == (findings.temperature or 1.0)
    report(run, tmp_path / "again", **SETTINGS)
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again == written  # although the model has the temperature by now


def test_other_clips_are_answered_by_the_model_itself(place: Path, run: Path, tmp_path: Path) -> None:
    settings = ClassifySettings(decoders=0, segments=2, views="center")
    findings = report(
        run, tmp_path / "made", settings=settings, runner=EngineSettings(), test=place / "my/train.txt"
    )
    assert findings.folds == ()
    assert any("8 of the 8 clips are in the training list too" in note for note in findings.notes)


@pytest.mark.parametrize("option", [{"segments": 3}, {"views": "ten"}])
def test_options_that_change_nothing_of_kept_answers_are_refused(
    run: Path, tmp_path: Path, option: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(option))}: changes nothing of a cross-validation"):
        report(run, tmp_path / "made", settings=ClassifySettings(**option), runner=EngineSettings())
    with pytest.raises(UsageError, match="--validation: is not for a cross-validation"):
        report(run, tmp_path / "made", **SETTINGS, validation=run)


def _cut(text: str) -> str:
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(_cut, "is damaged"), (lambda text: text.replace('"label":1', '"label":2'), "is none of 2 classes")],
)
def test_damaged_answers_are_a_line(run: Path, tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    file = run / "out-of-fold.json"
    whole = file.read_text()
    try:
        file.write_text(spoil(whole))
        with pytest.raises(InputError, match=message):
            report(run, tmp_path / "made", **SETTINGS)
    finally:
        file.write_text(whole)
    assert not (tmp_path / "made").exists()


def _changed_folds(place: Path, tmp_path: Path, lines: list[str]) -> Recipe:
    (tmp_path / "folds.txt").write_text("".join(lines))
    return recipe_of(place, f"data.folds={tmp_path / 'folds.txt'}", f"data.prefix={place / 'my'}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[1:], r"is of other clips than .*1 clip of it lacking, 0 others there"),
        (lambda lines: [*lines, "x.mp4 1\n"], r"is of other clips than .*0 clips of it lacking, 1 others there"),
        (lambda lines: [line.rpartition(" ")[0] + " 1\n" for line in lines], "has all clips of class 0 in fold 1"),
        (lambda lines: [lines[0].rpartition(" ")[0] + " 9\n", *lines], "has clips in several folds"),
    ],
)
def test_folds_of_other_clips_are_refused(place: Path, tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    lines = (place / "my" / "folds.txt").read_text().splitlines(keepends=True)
    with pytest.raises(InputError, match=message):
        train(_changed_folds(place, tmp_path, change(lines)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_whole_trainings_for_each_fold_are_not_begun(place: Path) -> None:
    with pytest.raises(
        UsageError, match=r"a whole training for each fold; fit the classifier alone \(--head-only\)"
    ):
        recipe_of(place, "model.head_only=false")
    with pytest.raises(UsageError, match="val and folds are both set"):
        recipe_of(place, "data.val=x")


def test_a_clip_that_cannot_be_read_counts_as_wrong_and_is_named(place: Path, tmp_path: Path) -> None:
    clip = place / "clips" / "light" / "2.mp4"
    whole = clip.read_bytes()
    try:
        clip.write_bytes(b"no video")
        train(recipe_of(place, "data.max_unreadable=0.5"), tmp_path / "run")
        findings = report(tmp_path / "run", tmp_path / "made", **SETTINGS)
    finally:
        clip.write_bytes(whole)
    (failure,) = findings.answered.failures
    assert failure.source.endswith("light/2.mp4")
    assert findings.figures.top1.clips == sum(share.clips for share in findings.folds) == 2 * CLIPS
    assert findings.figures.top1.right == sum(share.right for share in findings.folds) < 2 * CLIPS


def _invoke(*arguments: object) -> str:
    app = typer.Typer()
    for command in (folder, train_command, report_command):
        app.command()(command)
    ending = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert ending.exit_code == 0
    return ending.stdout


def test_the_commands_say_that_figures_are_cross_validated(
    place: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    said = _invoke(
        "folder", place / "clips", "-o", tmp_path / "my", "--folds", FOLDS, "--weights", place / "start.pdparams"
    )
    assert all(f"fold {fold}" in said for fold in range(FOLDS))
    assert (tmp_path / "my" / "folds.txt").read_text().count("\n") == 2 * CLIPS
    changes = [part for change in SMALL for part in ("--set", change)]
    said = _invoke("train", place / "my" / "recipe.yaml", *changes, "--output", run, "--resume")
    (epoch,) = [line for line in read_metrics(run / "metrics.jsonl") if line["kind"] == "epoch"]
    assert f"cross-validated top-1 {epoch['val_top1']:.1%}" in said
    said = _invoke("report", run, "-o", tmp_path / "made")
    assert said.startswith(f"cross-validated top-1 {100 * epoch['val_top1']:.2f}% ")
    assert "none of them is the model of this run" in " ".join(said.split())
    assert "calibration error" in said
