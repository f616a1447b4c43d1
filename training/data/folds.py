"""The folds of a training list: parts of it, each of which is validated with once."""

from __future__ import annotations

from collections.abc import Sequence

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.video.names import number_of, some_of
from pptsn.training.datasets.folder.splitting import FEWEST_FOLDS, MOST_FOLDS
from pptsn.training.sections import DataSection

_REMEDY = "make both lists anew by `pptsn data folder --folds`"


def read_folds(data: DataSection, train: Sequence[Sample]) -> tuple[int, ...]:
    """Return the fold, from 0, of each clip of `train`, the training list; none without `data.folds`.

    Raises InputError where that is a list of other clips, or no fold but one has clips of some class: what has
    not learned from that fold does not know the class then; and what `read_list` raises.
    """
    if data.folds is None:
        return ()
    listed = read_list(data.folds, format=data.format, prefix=data.prefix, classes=MOST_FOLDS, note=print_note)
    fold_of = {sample.path: sample.label for sample in listed}
    clips = {sample.path for sample in train}
    if fold_of.keys() != clips:
        lacking, beyond = sorted(clips - fold_of.keys()), sorted(fold_of.keys() - clips)
        which = some_of(lacking or beyond)
        counts = f"{number_of(len(lacking), 'clip')} of it lacking, {len(beyond)} others there"
        raise InputError(data.folds, f"is of other clips than {data.train} ({counts}: {which})", _REMEDY)
    if doubtful := [sample.path for sample in listed if fold_of[sample.path] != sample.label]:
        raise InputError(data.folds, f"has clips in several folds: {some_of(doubtful)}", _REMEDY)
    folds = tuple(fold_of[sample.path] for sample in train)
    for label in sorted({sample.label for sample in train}):
        held = {fold for fold, sample in zip(folds, train, strict=True) if sample.label == label}
        if len(held) < FEWEST_FOLDS:
            raise InputError(data.folds, f"has all clips of class {label} in fold {min(held)}", _REMEDY)
    return folds
