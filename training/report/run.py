"""Making a report: the model opened, its lists classified, the folder written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.base.files import atomic_folder, refuse_other_content, require_writable, write_text
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.model.file import protocol_of
from pptsn.runtime.pages.canvas import write_png
from pptsn.runtime.pages.html import check_html
from pptsn.runtime.recognizer import Recognizer
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.data.inputs import labels_of
from pptsn.training.evaluation import open_weights
from pptsn.training.report.answers import answered, require_classes
from pptsn.training.report.findings import Findings, found
from pptsn.training.report.out_of_fold import (
    answered_out_of_fold,
    cross_validated_note,
    kept_answers,
    looked_at,
    require_nothing_asked,
    right_by_fold,
)
from pptsn.training.report.page import page_of
from pptsn.training.report.pictures import draw_confusion, draw_reliability
from pptsn.training.report.subject import Subject, subject_of
from pptsn.training.report.tables import clips_csv, confusion_csv

_FILES = ("index.html", "report.json", "clips.csv", "confusion.csv", "confusion.png", "reliability.png")
_TEST, _VALIDATION = "the test list", "the validation list"


def report(
    what: str | Path,
    output: str | Path,
    *,
    settings: ClassifySettings,
    runner: EngineSettings,
    test: Path | None = None,
    validation: Path | None = None,
) -> Findings:
    """Classify the clips of a list by the run or model at `what`, and write the folder `output` of what came out.

    A temperature that fits the validation list goes into the spec of a run's best weights; a note says where it
    cannot.
    test, validation: lists; those of a run's recipe if not given; a run with folds has kept its answers.
    Raises UsageError for a folder `output` that holds anything else, InputError where it cannot be written, and
    what `subject_of`, `open_weights` and `require_classes` raise; MissingDependencyError before any work.
    """
    check_html()
    output = Path(output)
    refuse_other_content(output, _FILES, what="report")
    require_writable(output / _FILES[0])
    subject = subject_of(what, test=test, validation=validation)
    if subject.folds_of is None:
        findings = _of_lists(subject, settings, runner)
    else:
        require_nothing_asked(settings, runner)
        findings = _of_folds(subject, subject.folds_of)
    if subject.run is not None and findings.temperature is not None:
        findings = _kept(findings, subject.run, findings.temperature)
    with atomic_folder(output) as folder:
        _write(findings, folder)
    return findings


def _of_folds(subject: Subject, run: RunFolder) -> Findings:
    """Return what `run` has found out itself, of the clips of each fold by what learned from the others."""
    kept, spec = kept_answers(run)
    folds = right_by_fold(kept)
    answers = answered_out_of_fold(kept, spec)
    return found(
        answers,
        answers,
        spec=spec,
        engine=f"cross-validated in {len(folds)} folds",
        weights=str(subject.weights),
        looked_at=looked_at(kept),
        notes=[cross_validated_note(folds), *subject.notes()],
        folds=folds,
    )


def _of_lists(subject: Subject, settings: ClassifySettings, runner: EngineSettings) -> Findings:
    """Return what comes out when the model classifies the clips of its lists."""
    notes = subject.notes()
    with _opened(subject, settings, runner) as engine:
        require_classes(subject.test, engine.spec, list_name=subject.test_file or _TEST)
        list_name = subject.validation_file or _VALIDATION
        require_classes(subject.validation or (), engine.spec, list_name=list_name)
        recognizer = Recognizer(engine)
        for note in engine.notes:
            print_note(note)
        tested = answered(recognizer, subject.test, settings, list_name=_TEST)
        validated = None
        if subject.validation:
            validated = answered(recognizer, subject.validation, settings, list_name=_VALIDATION)
        return found(
            tested,
            validated,
            spec=engine.spec,
            engine=engine.description,
            weights=str(subject.weights),
            looked_at=settings.changing(engine.spec.protocol),
            notes=notes,
        )


def _kept(findings: Findings, run: RunFolder, temperature: float) -> Findings:
    """Write the temperature into the spec of the run's best weights; that it cannot be is no end of a report."""
    try:
        run.keep_temperature(temperature, digest=findings.spec.weights_digest)
    except PptsnError as error:
        return replace(findings, notes=(*findings.notes, f"the temperature is not kept: {error}"))
    return replace(findings, is_kept=True)


@contextmanager
def _opened(subject: Subject, settings: ClassifySettings, runner: EngineSettings) -> Iterator[Engine]:
    clips = len(subject.test) + len(subject.validation or ())
    if subject.recipe is None:
        crops = settings.changing(protocol_of(subject.weights)).crops(clips)
        engine = runner.open(subject.weights, crops=crops)
    else:
        _refuse_for_checkpoints(runner, subject.weights)
        device = None if runner.device == "auto" else runner.device
        classes = len(labels_of(subject.recipe))
        engine = open_weights(
            subject.weights, subject.recipe, backend=runner.backend, device=device, classes=classes, crops=clips
        )
    if subject.run is not None:
        with suppress(PptsnError):  # it says so where the temperature is to be kept
            known = subject.run.best_spec(digest=engine.spec.weights_digest)
            engine.spec = replace(engine.spec, temperature=known.temperature)
    with engine:
        yield engine


def _refuse_for_checkpoints(runner: EngineSettings, weights: Path) -> None:
    """Refuse what Paddle, which runs checkpoints, would not heed; `open_weights` does so of the backend."""
    for name in ("threads", "tuning"):
        if getattr(runner, name) != getattr(EngineSettings(), name):
            cause = f"is for .onnx and .engine files, {weights} is run by Paddle"
            raise UsageError(f"--{name}", cause, "leave it out, or name a converted model")


def _write(findings: Findings, folder: Path) -> None:
    write_text(folder / "report.json", json.dumps(findings.to_dict(), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "clips.csv", clips_csv(findings))
    write_text(folder / "confusion.csv", confusion_csv(findings))
    if findings.calibration is not None:
        write_png(draw_confusion(findings.figures, findings.spec.labels), folder / "confusion.png")
        drawn = draw_reliability(findings.calibration, findings.calibrated, temperature=findings.temperature)
        write_png(drawn, folder / "reliability.png")
    write_text(folder / "index.html", page_of(findings))
