"""Of a cross-validated run: the answers that it has kept, each by what has not learned from the clip."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.options import flags_of, options_of
from pptsn.runtime.classify.lists import source_of
from pptsn.runtime.classify.results import Classification, Failure, Timing
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.checkpoint.out_of_fold import REMEDY, FoldAnswer, OutOfFold, read_out_of_fold
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.report.answers import Answered
from pptsn.training.report.figures import Share
from pptsn.training.report.findings import mean_of


def kept_answers(run: RunFolder) -> tuple[OutOfFold, ModelSpec]:
    """Return the answers that `run` has kept, and the spec of its weights, without a temperature.

    What answered is not the model, whose temperature is the one that fits these answers.
    Raises what `read_out_of_fold` and `RunFolder.best_spec` raise.
    """
    kept = read_out_of_fold(run.out_of_fold)
    spec = run.best_spec(digest=kept.weights_digest, remedy=REMEDY)
    kept.require_classes(spec.classes, source=run.out_of_fold)
    return kept, dataclasses.replace(spec, temperature=1.0)


def cross_validated_note(folds: Sequence[Share]) -> str:
    """Return what a reader of the figures must know; folds: the right answers in each."""
    return (
        f"cross-validated: each clip is answered by one of {len(folds)} classifiers, which has not learned from "
        f"it (mean of the folds {mean_of(folds):.1%}); none of them is the model of this run, which has learned "
        "from all clips; the intervals are by clips, and do not count what the classifiers have in common"
    )


def require_nothing_asked(settings: ClassifySettings, runner: EngineSettings) -> None:
    """Raise UsageError for options of how clips are looked at: they have been, in training."""
    for given in (settings, runner):
        for field, about in options_of(type(given)).values():
            if field.name != "decoders" and getattr(given, field.name) != field.default:
                cause = "changes nothing of a cross-validation, whose answers are those of the training"
                raise UsageError(
                    flags_of(field, about)[0], cause, "leave it out, or name other clips by --list LIST"
                )


def looked_at(kept: OutOfFold) -> Protocol:
    """Return how the clips were looked at: as training validates."""
    return Protocol(sampling="centre", resize_rule="keep_aspect", segments=kept.segments, views="center")


def answered_out_of_fold(kept: OutOfFold, spec: ModelSpec) -> Answered:
    """Return the answers that were kept; spec: of the run's weights."""
    return Answered(
        tuple(source_of(answer.clip) for answer in kept.answers),
        tuple(answer.clip.label for answer in kept.answers),
        tuple(_result(answer, kept, spec) for answer in kept.answers),
    )


def _result(answer: FoldAnswer, kept: OutOfFold, spec: ModelSpec) -> Classification | Failure:
    path = answer.clip.path
    if answer.error:
        return Failure(path, InputError(path, answer.error.removeprefix(f"{path}: ")))
    return Classification(
        source=path,
        frames=answer.clip.frames or 0,  # a video's are not kept, nor its times
        duration_s=None,
        protocol=looked_at(kept),
        logits=np.array(answer.logits, np.float32),
        labels=spec.labels,
        timing=Timing(0.0, 0.0, 0.0),
        temperature=spec.temperature,
    )


def right_by_fold(kept: OutOfFold) -> tuple[Share, ...]:
    """Return how many of the clips of each fold were answered rightly, in the order of the folds."""
    right: defaultdict[int, list[bool]] = defaultdict(list)
    for answer in kept.answers:
        right[answer.fold].append(bool(answer.logits) and int(np.argmax(answer.logits)) == answer.clip.label)
    return tuple(Share(sum(right[fold]), len(right[fold])) for fold in sorted(right))
