"""Whether classes can be told by size, rate or length alone: a model would learn that instead of the action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.training.datasets.folder.probing import Probed

SHUFFLINGS = 199
# Below it a property helps so little that with thousands of clips it is certain, and no matter.
_WORTH_TELLING = 0.6
_MOST_STEPS = 256


@dataclass(frozen=True)
class Telltale:
    """A property that tells a class from the others.

    label: of that class.  accuracy: of the best single threshold, the mean of the shares of the class and of the
    others that are on their own side, 0..1.  chance: the best that any property and class reached when the classes
    were shuffled among the clips, SHUFFLINGS times, as the accuracy that it would be for this class.
    """

    property: str
    label: int
    accuracy: float
    chance: float

    def sentence(self, name: str) -> str:
        """Return what a user should know of it; name: of the class."""
        return (
            f"{name} can be told by {self.property} alone: {self.accuracy:.0%} of it and of the rest (by chance "
            f"{self.chance:.0%}); a model may learn that instead of the action"
        )


def properties_of(clips: Sequence[Probed]) -> dict[str, list[float]]:
    """Return what may tell classes: a value a clip for each property that differs; -1 where a clip has none."""
    properties = {
        "the width of the picture": [float(clip.width) for clip in clips],
        "the height of the picture": [float(clip.height) for clip in clips],
        "the number of frames": [float(clip.frames) for clip in clips],
        "the length in seconds": [
            -1.0 if clip.duration_s is None else round(clip.duration_s, 2) for clip in clips
        ],
        "the frames a second": [
            round(clip.frames / clip.duration_s, 2) if clip.duration_s else -1.0 for clip in clips
        ],
    }
    return {name: values for name, values in properties.items() if len(set(values)) > 1}


def telltales(properties: Mapping[str, Sequence[float]], labels: Sequence[int], *, seed: int) -> list[Telltale]:
    """Return the properties that tell a class better than chance does, the best class of each, the surest first.

    The best single threshold is where the shares of the class and of the others below it are furthest apart, the
    distance of Kolmogorov and Smirnov; classes of different sizes are compared by how far chance takes it.
    labels: of the same clips, one of each source: several would count as evidence that they are not.
    """
    truth = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    names = np.unique(np.asarray(labels))
    if len(names) < 2 or not properties:
        return []
    steps = {name: _steps(values) for name, values in properties.items()}
    found = {name: _distances(levels, truth) for name, levels in steps.items()}
    weights = _weights(truth)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(truth) for _ in range(SHUFFLINGS)]
    bound = max(float((_distances(lv, order) * weights).max()) for order in shuffled for lv in steps.values())
    told = []
    for name, distances in found.items():
        best = int((distances * weights).argmax())
        accuracy, chance = 0.5 + distances[best] / 2, min(1.0, 0.5 + bound / weights[best] / 2)
        if accuracy > chance and accuracy >= _WORTH_TELLING:
            told.append(Telltale(name, int(names[best]), float(accuracy), float(chance)))
    return sorted(told, key=lambda each: -each.accuracy)


def _steps(values: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return which of a few hundred levels at most each value is on, in their order."""
    distinct, levels = np.unique(np.asarray(values), return_inverse=True)
    levels = levels.reshape(-1)
    return np.asarray(levels * _MOST_STEPS // len(distinct) if len(distinct) > _MOST_STEPS else levels, np.int64)


def _weights(truth: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return what makes the distances of each class as far as chance takes those of any other."""
    sizes = np.bincount(truth).astype(np.float64)
    return np.sqrt(sizes * (len(truth) - sizes) / len(truth))


def _distances(levels: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return, for each class, the largest difference between its share and the others' up to any level, 0..1."""
    width, classes = int(levels.max()) + 1, int(truth.max()) + 1
    counts = np.bincount(truth * width + levels, minlength=classes * width).reshape(classes, width)
    below, sizes = counts.cumsum(axis=1), counts.sum(axis=1)[:, None]
    others = below.sum(axis=0) - below
    return np.asarray(np.abs(below / sizes - others / (len(truth) - sizes)).max(axis=1), np.float64)
