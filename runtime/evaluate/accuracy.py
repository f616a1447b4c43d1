"""Right answers over a list of clips: one rule for ties, for logits that are no numbers, for missing answers.

What a clip without an answer means is the caller's to say: over all labels it counts as wrong; who leaves it out
gives the labels of the others alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pptsn.runtime.classify.ranking import leading_classes
from pptsn.runtime.classify.results import Classification, Failure

_LEADING = 5

# The five leading classes of a clip (or all, if there are fewer), best first; none of logits that are no numbers.
Leading: TypeAlias = Sequence[int]


def leading(logits: npt.NDArray[np.float32]) -> list[tuple[int, ...]]:
    """Return the `Leading` classes of each row of `logits` (N, C); of equal logits the lower class leads."""
    ranked = leading_classes(logits, _LEADING).tolist()
    return [tuple(classes) if np.isfinite(row).all() else () for classes, row in zip(ranked, logits, strict=True)]


@dataclass(frozen=True)
class Answers:
    """What a model answered for the clips of a list, by their index in it; each clip is in one of the two.

    leading: the leading classes of those that could be read.  unreadable: why the others could not.
    warned: what was odd about some of those that could.
    """

    leading: Mapping[int, Leading]
    unreadable: Mapping[int, str]
    warned: Mapping[int, str]

    @classmethod
    def of(cls, results: Iterable[Classification | Failure]) -> Answers:
        """Gather what `Recognizer.classify_many` gives for the clips of a list, in its order."""
        found: dict[int, Leading] = {}
        unreadable: dict[int, str] = {}
        warned: dict[int, str] = {}
        for index, result in enumerate(results):
            if isinstance(result, Failure):
                unreadable[index] = str(result.error)
            else:
                (found[index],) = leading(result.logits[None])
                if result.warnings:
                    warned[index] = result.told
        return cls(found, unreadable, warned)


@dataclass(frozen=True)
class Accuracy:
    """Right answers over `clips` clips: how many have their label first (top1), among the first five (top5).

    class_top1: the share (0..1) of the clips of a class that have it first, by class; without those of no clips.
    """

    clips: int
    top1_count: int
    top5_count: int
    class_top1: Mapping[int, float]

    @property
    def top1(self) -> float:
        """The share (0..1) of the clips that have their label first."""
        return self.top1_count / self.clips

    @property
    def top5(self) -> float:
        """The share (0..1) of the clips that have their label among the first five."""
        return self.top5_count / self.clips


def accuracy(answers: Mapping[int, Leading], labels: Sequence[int]) -> Accuracy:
    """Return how many clips of a list `answers` are right of, by their index in `labels`, each clip's class.

    A clip without an answer is wrong.  Raises ValueError without labels.
    """
    if not labels:
        raise ValueError("expected one label or more, got none")
    firsts = [label for index, label in enumerate(labels) if label in answers.get(index, ())[:1]]
    among_five = sum(label in answers.get(index, ())[:_LEADING] for index, label in enumerate(labels))
    first_of = Counter(firsts)
    shares = {label: first_of[label] / count for label, count in Counter(labels).items()}
    return Accuracy(len(labels), len(firsts), among_five, shares)


def same_answers(answers: Mapping[int, Leading], reference: Mapping[int, Leading]) -> int:
    """Return how many clips have the same leading class in both; logits that are no numbers agree with nothing."""
    return sum(bool(top) and list(answers.get(index, ())[:1]) == list(top[:1]) for index, top in reference.items())
