"""UCF-101's annotation files: classInd.txt, and trainlist01.txt to testlist03.txt, which are its three splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pptsn.runtime.base.errors import InputError
from pptsn.training.datasets.annotations import Annotation, read_annotation_text

CLASSES = 101
FOLDS = (1, 2, 3)
_CLASS_FILE = "classInd.txt"
_GET_AGAIN = "get UCF-101's files for action recognition again"


def read_classes(folder: Path) -> tuple[str, ...]:
    """Return the class names of classInd.txt in `folder`, in the order of their numbers.

    Raises InputError, with the place, where the lines are not `number name`, numbered from 1.
    """
    path = folder / _CLASS_FILE
    names: list[str] = []
    for number, fields in _lines(path):
        where = f"{path}:{number}"
        if len(fields) != 2 or fields[0] != str(len(names) + 1):
            cause = f"expected `{len(names) + 1} NAME`, got {' '.join(fields)!r}"
            raise InputError(where, cause, _GET_AGAIN)
        if fields[1] in names:
            raise InputError(where, f"names {fields[1]} a second time", _GET_AGAIN)
        names.append(fields[1])
    if not names:
        raise InputError(path, "names no class", _GET_AGAIN)
    return tuple(names)


def read_fold(folder: Path, fold: int, classes: tuple[str, ...]) -> list[Annotation]:
    """Return the clips of one of the three splits, those for training first, in the order of the files.

    A clip's `split` is `train` or `val`: the published lists call its test list so.  Numbers in the files count
    from 1, labels from 0.
    Raises InputError, with the place, for what is no line of these files, a class that is not among `classes`,
    and a number that is not its class's.
    """
    parts = (("train", f"trainlist{fold:02d}.txt"), ("val", f"testlist{fold:02d}.txt"))
    return [clip for split, name in parts for clip in _clips(folder / name, split, classes)]


def _clips(path: Path, split: str, classes: tuple[str, ...]) -> Iterator[Annotation]:
    label_of = {name: label for label, name in enumerate(classes)}
    for number, fields in _lines(path):
        where = f"{path}:{number}"
        clip = PurePosixPath(fields[0])
        if len(fields) > 2 or len(clip.parts) != 2 or ".." in clip.parts:
            cause = f"expected `CLASS/v_CLASS_g01_c01.avi`, got {' '.join(fields)!r}"
            raise InputError(where, cause, _GET_AGAIN)
        class_name = clip.parts[0]
        if class_name not in label_of:
            cause = f"its class {class_name} is not in {_CLASS_FILE}"
            raise InputError(where, cause, "take all files from one edition of UCF-101")
        label = label_of[class_name]
        if len(fields) == 2 and fields[1] != str(label + 1):
            cause = f"gives {class_name} the number {fields[1]}, {_CLASS_FILE} {label + 1}"
            raise InputError(where, cause, "take all files from one edition of UCF-101")
        yield Annotation((clip.stem,), class_name, label, split)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line that is not blank; the files end theirs as DOS does."""
    for number, line in enumerate(read_annotation_text(path).splitlines(), 1):
        if fields := line.split():
            yield number, fields
