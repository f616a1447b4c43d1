"""Top-1 and top-5 of a checkpoint over a list, as the deployed model would answer: many frames, many views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.clips import Excerpt, Source
from runtime.engines import Engine, open_engine
from runtime.engines.base import Logits
from runtime.errors import ModelError, UsageError
from runtime.lists import Sample, read_list
from runtime.preprocess import view_count
from runtime.recognizer import Recognizer
from runtime.results import Failure
from training.inputs import labels_of
from training.metrics import correct_counts
from training.progress import Display
from training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out for a list of `clips` clips.

    top1, top5: shares (0..1) of right answers over all clips; a clip that could not be read is wrong.
    class_top1: top-1 of each class, in class order; None for a class without clips.
    views, segments: how it was measured.  unreadable: a line for each clip that could not be read.
    """

    clips: int
    top1: float
    top5: float
    class_top1: tuple[float | None, ...]
    views: str
    segments: int
    unreadable: tuple[str, ...]


def evaluate(
    recipe: Recipe,
    weights: str | Path,
    *,
    views: str | None = None,
    segments: int | None = None,
    display: Display | None = None,
) -> Evaluation:
    """Evaluate `weights`, a `.pdparams` checkpoint or an `.onnx` model, on the list `data.test` of `recipe`.

    views (ten, three, center) and segments (frames a clip) default to the recipe's.  A checkpoint sees frames
    and crops of the recipe's sizes, an `.onnx` model those of its own spec.
    Raises UsageError without a test list, ModelError for weights of another depth or number of classes, and what
    `read_list` raises; unreadable clips are counted and named.
    """
    if recipe.data.test is None:
        raise UsageError("data.test", "is not set, expected a list file", "pass --set data.test=LIST")
    views, segments = views or recipe.evaluation.views, segments or recipe.evaluation.segments
    view_count(views, mirror_in_graph=False)  # refuses unknown views before any work
    display = display or Display()
    labels = labels_of(recipe)
    samples = read_list(
        recipe.data.test, format=recipe.data.format, prefix=recipe.data.prefix, classes=len(labels)
    )
    tally = _Tally(len(labels))
    with Recognizer(_open_engine(weights, recipe, classes=len(labels))) as recognizer:
        results = recognizer.classify_many(map(_source, samples), segments=segments, views=views)
        with display.bar("evaluating", total=len(samples)) as bar:
            for sample, result in zip(samples, results, strict=True):
                if isinstance(result, Failure):
                    tally.add_unreadable(sample.label, str(result.error))
                else:
                    tally.add(sample.label, result.logits)
                bar.advance()
    return tally.result(views=views, segments=segments)


def _source(sample: Sample) -> Source:
    return sample.path if sample.frames is None else Excerpt(sample.path, sample.frames)


def _open_engine(weights: str | Path, recipe: Recipe, *, classes: int) -> Engine:
    if Path(weights).suffix == ".onnx":
        engine = open_engine(weights, device="cpu" if recipe.device == "auto" else recipe.device)
        if engine.spec.classes != classes:
            cause = f"has {engine.spec.classes} classes, the recipe {classes}"
            raise ModelError(weights, cause, "name the recipe that it was trained by")
        return engine
    from training._paddle import select_device
    from training.paddle_engine import PaddleEngine

    select_device(recipe.device)
    return PaddleEngine(weights, recipe)


class _Tally:
    """Counts right answers, by class."""

    def __init__(self, classes: int) -> None:
        self._clips = np.zeros(classes, np.int64)
        self._right = np.zeros((2, classes), np.int64)
        self._unreadable: list[str] = []

    def add(self, label: int, logits: Logits) -> None:
        self._clips[label] += 1
        self._right[:, label] += correct_counts(logits[None], np.array([label], np.int64))

    def add_unreadable(self, label: int, line: str) -> None:
        self._clips[label] += 1
        self._unreadable.append(line)

    def result(self, *, views: str, segments: int) -> Evaluation:
        clips = int(self._clips.sum())
        top1, top5 = (self._right.sum(axis=1) / clips).tolist()
        by_class = (float(right / n) if n else None for right, n in zip(self._right[0], self._clips, strict=True))
        return Evaluation(
            clips=clips,
            top1=top1,
            top5=top5,
            class_top1=tuple(by_class),
            views=views,
            segments=segments,
            unreadable=tuple(self._unreadable),
        )
