"""The figures of a report: shares of right answers with their intervals, in all and by class; confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.evaluate.accuracy import Answers, accuracy
from pptsn.runtime.evaluate.intervals import wilson


@dataclass(frozen=True)
class Share:
    """`right` of `clips` clips; clips >= 1."""

    right: int
    clips: int

    @property
    def value(self) -> float:
        """The share, 0..1."""
        return self.right / self.clips

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson), 0..1."""
        return wilson(self.right, self.clips)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2%} ({low:.1%} to {high:.1%}, {self.right} of {self.clips})"

    def to_dict(self) -> dict[str, Any]:
        """Return its JSON object."""
        low, high = self.interval
        return {"right": self.right, "clips": self.clips, "share": self.value, "low": low, "high": high}


@dataclass(frozen=True, eq=False)
class Figures:
    """What came out for a list of clips.

    top1, top5: over all clips; one that could not be read is wrong.
    by_class: top-1 of the clips of each class, in class order; None for a class without clips.
    confusion: (C, C) int64, clips that were read, by their class (row) and answer (column).
    logits: (N, C) float32 of the clips that were read, labels: (N,) their classes.
    """

    top1: Share
    top5: Share
    by_class: tuple[Share | None, ...]
    confusion: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def answered_right(self) -> tuple[Share | None, ...]:
        """Of the clips that were answered by a class, those that are of it (precision); None where none was."""
        named = self.confusion.sum(axis=0)
        right = np.diagonal(self.confusion)
        return tuple(Share(int(r), int(n)) if n else None for r, n in zip(right, named, strict=True))

    def confused(self, most: int) -> list[tuple[int, int, int]]:
        """Return the (class, answer, clips) that were confused, `most` at most, the most frequent first."""
        wrong = self.confusion - np.diag(np.diagonal(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        rows, columns = np.unravel_index(order, wrong.shape)
        pairs = zip(rows.tolist(), columns.tolist(), wrong[rows, columns].tolist(), strict=True)
        return [(row, column, clips) for row, column, clips in pairs if clips]


def figures_of(results: Sequence[Classification | Failure], labels: Sequence[int], *, classes: int) -> Figures:
    """Return the figures of `results`, the answers for clips of the classes `labels`, one of `classes` each."""
    answers = Answers.of(results)
    found = accuracy(answers.leading, labels)
    of_class = np.bincount(labels, minlength=classes)
    by_class = tuple(
        Share(round(found.class_top1[number] * int(clips)), int(clips)) if clips else None
        for number, clips in enumerate(of_class)
    )
    read = [
        (result.logits, label)
        for result, label in zip(results, labels, strict=True)
        if isinstance(result, Classification)
    ]
    confusion = np.zeros((classes, classes), np.int64)
    for index, (leading, *_) in answers.leading.items():
        confusion[labels[index], leading] += 1
    return Figures(
        top1=Share(found.top1_count, found.clips),
        top5=Share(found.top5_count, found.clips),
        by_class=by_class,
        confusion=confusion,
        logits=np.array([logits for logits, _ in read], np.float32).reshape(len(read), classes),
        labels=np.array([label for _, label in read], np.int64),
    )
