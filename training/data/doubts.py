"""What lists may have and seldom should: told once, at the beginning of a training, which goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.video.names import counted, some_of
from pptsn.training.data.inputs import SampleLists
from pptsn.training.recipe import Recipe


def doubts(recipe: Recipe, lists: SampleLists, labels: Sequence[str]) -> Iterator[str]:
    """Yield a line for each thing of these lists that is seldom meant.

    Clips under several labels, clips listed more than once, classes without a clip to learn from, and clips that
    are learned and validated with.
    """
    train, val = recipe.data.train, recipe.data.val
    yield from _of_one(train, lists.train)
    seen = {sample.label for sample in lists.train}
    if absent := [name for label, name in enumerate(labels) if label not in seen]:
        yield f"{train}: no clip of {len(absent)} of {len(labels)} classes: {some_of(absent)}"
    if val is not None:
        yield from _of_one(val, lists.val)
    learned = {sample.path for sample in lists.train}
    if shared := sorted({sample.path for sample in lists.val} & learned):
        yield f"{train}: {counted(len(shared), 'clip')} in {val} as well: {some_of(shared)}"


def _of_one(listed: Path, samples: Sequence[Sample]) -> Iterator[str]:
    labels: defaultdict[str, list[int]] = defaultdict(list)
    for sample in samples:
        labels[sample.path].append(sample.label)
    if doubtful := [path for path, given in labels.items() if len(set(given)) > 1]:
        yield f"{listed}: {counted(len(doubtful), 'clip')} listed under several labels: {some_of(doubtful)}"
    if repeated := [path for path, given in labels.items() if len(given) > len(set(given))]:
        yield f"{listed}: {counted(len(repeated), 'clip')} listed more than once: {some_of(repeated)}"
