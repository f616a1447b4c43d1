"""A report: its figures against plain counts, what goes into the folder, and what is refused before any work."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from pptsn.cli.program import main
from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.evaluate.calibration import calibration, fit_temperature
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.recognizer import Recognizer
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.report.run import report
from pptsn.training.trainer import train
from tests.clips import write_clip
from tests.models import LABELS, write_blind_model, write_tiny_model
from tests.training.runs import make_lists, tiny_recipe

FILES = ["clips.csv", "confusion.csv", "confusion.png", "index.html", "reliability.png", "report.json"]
CLIPS = 8


def _write_coloured(path: Path, index: int) -> None:
    """Write a clip that is red, green or blue, whatever its class."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :, index // 2 % 3] = 200
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        for _ in range(6 + index):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of four classes, and clips whose classes it cannot know: some come out right, some do not."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny_model(folder / "m.onnx", segments=2, views="center")
    for index in range(CLIPS):
        _write_coloured(folder / f"{index}.mp4", index)
    lines = [f"{index}.mp4 {index % len(LABELS)}\n" for index in range(CLIPS)]
    (folder / "test.txt").write_text("".join(lines))
    (folder / "val.txt").write_text("".join(lines[::-1]))
    return folder


def reported(place: Path, output: Path, **options: object):  # type: ignore[no-untyped-def]
    chosen = {"test": place / "test.txt", **options}
    return report(
        place / "m.onnx", output, settings=ClassifySettings(decoders=0), runner=EngineSettings(), **chosen
    )


@pytest.fixture(scope="module")
def by_hand(place: Path) -> tuple[np.ndarray, np.ndarray]:
    """The logits of the clips as `classify` gives them, and their classes."""
    with Recognizer.open(place / "m.onnx") as recognizer:
        rows = [recognizer.classify(place / f"{index}.mp4").logits for index in range(CLIPS)]
    return np.array(rows), np.arange(CLIPS) % len(LABELS)


def test_its_figures_are_those_of_plain_counts(place: Path, tmp_path: Path, by_hand) -> None:
    logits, labels = by_hand
    findings = reported(place, tmp_path / "made", validation=place / "val.txt")
    answers = logits.argmax(axis=1)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == FILES
    written = json.loads((tmp_path / "made" / "report.json").read_text())
    assert written["top1"]["right"] == (answers == labels).sum()
    assert (written["segments"], written["views"]) == (2, "center")
    for label in range(len(LABELS)):
        assert findings.figures.by_class[label].right == (answers == labels)[labels == label].sum()
        assert (
            findings.figures.confusion[label].tolist()
            == np.bincount(answers[labels == label], minlength=4).tolist()
        )
    assert written["calibration_error"] == pytest.approx(calibration(logits, labels).error)
    assert written["temperature"] == fit_temperature(logits, labels)
    rows = list(csv.DictReader((tmp_path / "made" / "clips.csv").open()))
    assert [row["right"] for row in rows] == ["yes" if right else "no" for right in answers == labels]
    assert [row["answer"] for row in rows] == [LABELS[answer] for answer in answers]


@pytest.mark.parametrize("broken", [0, 1, CLIPS])
def test_clips_that_cannot_be_read_are_wrong_and_named(
    place: Path, tmp_path: Path, broken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(place, folder)
    for index in range(broken):
        (folder / f"{index}.mp4").write_text("no video")
    command = ["pptsn", "report", folder / "m.onnx", "--list", folder / "test.txt", "-o", tmp_path / "made"]
    monkeypatch.setattr("sys.argv", [str(word) for word in command])
    with pytest.raises(SystemExit) as ending:
        main()
    assert (ending.value.code or 0) == int(broken > 0)
    written = json.loads((tmp_path / "made" / "report.json").read_text())
    assert written["top1"]["clips"] == CLIPS
    assert len(written["unreadable"]) == broken
    told = capsys.readouterr()
    assert told.err.count("pptsn: error: ") == broken
    assert (f"{broken} clips gave no answer, and count as wrong" in told.out) is (broken > 0)
    page = (tmp_path / "made" / "index.html").read_text()
    assert ("taken for" in page) is (broken < CLIPS)


def test_logits_that_are_no_numbers_are_no_answer(place: Path, tmp_path: Path) -> None:
    model = write_blind_model(tmp_path / "m.onnx", below=256)
    findings = report(
        model,
        tmp_path / "made",
        settings=ClassifySettings(segments=1, views="center", decoders=0),
        runner=EngineSettings(),
        test=place / "test.txt",
    )
    assert f"{CLIPS} clips gave no answer, and count as wrong" in findings.notes
    assert findings.figures.top1.right == 0


def test_names_that_are_markup_or_formulas_are_text(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", labels=("<b>red</b>", "=1+1", "blue", "left"), segments=1)
    clip = write_clip(tmp_path / "<i>&.mp4", frames=5, width=64, height=48)
    (tmp_path / "list.txt").write_text(f"{clip} 0\n{clip} 1\n")
    report(
        model,
        tmp_path / "made",
        settings=ClassifySettings(decoders=0),
        runner=EngineSettings(),
        test=tmp_path / "list.txt",
    )
    page = (tmp_path / "made" / "index.html").read_text()
    assert "<b>red</b>" not in page
    assert "<i>&" not in page
    assert "&lt;b&gt;red" in page
    assert "'=1+1" in (tmp_path / "made" / "clips.csv").read_text()


def _cannot(run: RunFolder, temperature: float, *, digest: str) -> None:
    raise InputError(run.root, "cannot be written")


@pytest.mark.slow
def test_a_run_is_reported_by_its_own_lists_and_keeps_the_temperature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = make_lists(tmp_path, train=6, val=6)
    recipe = tiny_recipe(lists, epochs=1)
    train(recipe, tmp_path / "run")
    # What so short a training gives is not to decide whether a temperature fits.
    monkeypatch.setattr("pptsn.training.report.findings.fit_temperature", lambda logits, labels: 1.75)
    settings, runner = ClassifySettings(decoders=0), EngineSettings()
    findings = report(
        tmp_path / "run", tmp_path / "made", settings=settings, runner=runner, test=lists / "train.txt"
    )
    spec = ModelSpec.from_json((tmp_path / "run" / "best.spec.json").read_text(), source="spec")
    assert spec.temperature == findings.temperature == 1.75
    assert findings.is_kept
    assert any("6 of the 6 clips are in the training list too" in note for note in findings.notes)
    assert findings.looked_at.segments == recipe.evaluation.segments
    assert RunFolder(tmp_path / "run").best_weights.exists()
    monkeypatch.setattr(RunFolder, "keep_temperature", _cannot)
    findings = report(
        tmp_path / "run", tmp_path / "again", settings=settings, runner=runner, test=lists / "test.txt"
    )
    assert findings.spec.temperature == 1.75  # what is exported from the run has it, and the scores on the page
    assert not findings.is_kept
    assert "the temperature is not kept" in findings.notes[-1]
    assert findings.notes[-1] in json.loads((tmp_path / "again" / "report.json").read_text())["notes"]


@pytest.mark.parametrize("fitted", [0.011, 1.0])
def test_a_temperature_that_does_not_help_is_said_unless_the_model_has_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: float
) -> None:
    monkeypatch.setattr("pptsn.training.report.findings.fit_temperature", lambda logits, labels: fitted)
    findings = reported(place, tmp_path / "made", validation=place / "val.txt")
    said = [note for note in findings.notes if "does not lower the calibration error" in note]
    assert len(said) == (fitted != findings.spec.temperature)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "(3 of 3 clips right): it takes wrong answers, too,"),
        ([1, 2, 0], "(0 of 3 clips right): its scores do not go with right answers"),
    ],
)
def test_why_no_temperature_fits_is_said(place: Path, tmp_path: Path, labels: list[int], message: str) -> None:
    # The clips at 0, 2 and 4 are red, green and blue, the model's first three classes.
    lines = [f"{place / f'{2 * colour}.mp4'} {label}\n" for colour, label in enumerate(labels)]
    (tmp_path / "val.txt").write_text("".join(lines))
    findings = reported(place, tmp_path / "made", validation=tmp_path / "val.txt")
    assert findings.temperature is None
    assert [message in note for note in findings.notes if "no temperature fits" in note] == [True]


def _list_of(folder: Path, text: str) -> Path:
    (folder / "odd.txt").write_text(text)
    return folder / "odd.txt"


@pytest.mark.parametrize(
    ("what", "lines", "error", "message"),
    [
        ("m.onnx", "0.mp4 4\n", UsageError, r"0\.mp4 is of class 4\), the model has 4 classes, 0 to 3"),
        ("m.onnx", None, UsageError, "--list: is missing"),
        ("none.onnx", "0.mp4 1\n", InputError, "does not exist"),
        ("w.pdparams", "0.mp4 1\n", UsageError, "name the folder of its run"),
        (".", "0.mp4 1\n", InputError, r"without recipe\.yaml"),
    ],
)
def test_what_makes_no_report_is_a_line_and_leaves_nothing(
    place: Path, tmp_path: Path, what: str, lines: str | None, error: type[PptsnError], message: str
) -> None:
    test = None if lines is None else _list_of(place, lines)
    with pytest.raises(error, match=message):
        report(
            place / what,
            tmp_path / "made",
            settings=ClassifySettings(decoders=0),
            runner=EngineSettings(),
            test=test,
        )
    assert not (tmp_path / "made").exists()


def test_a_run_without_a_finished_epoch_and_another_folder_are_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(tiny_recipe(make_lists(tmp_path)).to_yaml())
    options = {"settings": ClassifySettings(), "runner": EngineSettings()}
    with pytest.raises(InputError, match="no epoch of it was finished"):
        report(tmp_path / "run", tmp_path / "made", **options)
    with pytest.raises(UsageError, match=r"other content \(.*\), no report alone"):
        reported(place, tmp_path / "run")


@pytest.mark.parametrize("option", [{"threads": 2}, {"tuning": "full"}, {"backend": "onnxruntime"}])
def test_options_that_paddle_would_not_heed_are_refused(tmp_path: Path, option: dict[str, object]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(tiny_recipe(make_lists(tmp_path, train=3)).to_yaml())
    (tmp_path / "run" / "best.pdparams").touch()
    with pytest.raises(UsageError, match=rf"--{next(iter(option))}: .*is run by Paddle; leave it out"):
        report(tmp_path / "run", tmp_path / "made", settings=ClassifySettings(), runner=EngineSettings(**option))


def test_a_report_takes_the_place_of_an_older_one(place: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "clips.csv").write_text("old")
    reported(place, tmp_path / "made")
    assert (tmp_path / "made" / "clips.csv").read_text().startswith("source,label,answer,right")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("m.onnx/made", "cannot be written"),
        ("m.onnx", "is a file"),
        ("x" * 300, "file name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    monkeypatch.setattr("pptsn.training.report.run.subject_of", None)
    with pytest.raises(InputError, match=message):
        reported(place, place / output)


@pytest.mark.parametrize("option", ["test", "validation"])
def test_a_list_of_other_classes_is_refused_before_any_clip_is_classified(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(Recognizer, "classify_by", None)
    (tmp_path / "list.txt").write_text("0.mp4 3\n1.mp4 4\n")
    message = (
        r"/list\.txt: has clips of other classes \(.*/1\.mp4 is of class 4\), the model has 4 classes, 0 to 3"
    )
    with pytest.raises(UsageError, match=message):
        reported(place, tmp_path / "made", **{option: tmp_path / "list.txt"})
    assert not (tmp_path / "made").exists()
