"""Training lists where sources are listed: `path label` or `directory frame_count label` a line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.lists import FIELDS, Sample, is_there, parse_line
from pptsn.runtime.video.names import is_video, number_of

_WITHOUT = "no label"
# What may stand between a source and its label, in lists of all kinds.
_BETWEEN = re.compile(r"[ \t,;]+")


def labelled_samples(
    entries: Sequence[tuple[int, str]], *, list_name: str, classes: int | None = None
) -> list[Sample] | None:
    """Return the samples of a training list, in their order; None for a list of sources without labels.

    It is one where a line ends in a whole number, names nothing that is there, and something that is there, or a
    video by its name, or an address, without the number.  The first such line tells which of the two kinds of
    lists it is.

    entries: the lines, with their numbers; paths as they are to be opened.  list_name: names the list in errors.
    classes: where known, labels must be below it.
    Raises InputError, naming the line, where some lines have labels and others have none, or are of the other
    kind, or where all have labels of another form, and as `read_list` does for what is wrong with a label.
    """
    forms = [_form_of(entry) for _, entry in entries]
    kind = next((form for form in forms if form not in (None, _WITHOUT)), None)
    if kind is None:
        _refuse_other_labels(entries, list_name)
        return None
    if _WITHOUT in forms:
        number, _ = entries[forms.index(_WITHOUT)]
        others = number_of(len(forms) - forms.count(_WITHOUT), "other line")
        cause = f"has no label behind the source, unlike {others} of the list"
        raise InputError(f"{list_name}:{number}", cause, "give each line a label, or none")
    if other := {"videos", "frames"}.difference([kind]).intersection(forms):
        number, _ = entries[forms.index(other.pop())]
        cause = f"is no line `{FIELDS[kind]}`, unlike the first one with a label"
        raise InputError(f"{list_name}:{number}", cause, "make one list of each kind")
    return [
        parse_line(entry, f"{list_name}:{number}", format=kind, root=None, classes=classes)
        for number, entry in entries
    ]


def _form_of(entry: str) -> str | None:
    """Return the format of the training list that a line is of, or _WITHOUT; None where it may be either."""
    clip, number = _split(entry)
    if number is None or is_there(entry):
        return _WITHOUT
    if is_there(clip) or is_video(clip) or "://" in clip:
        return "videos"
    directory, frames = _split(clip)
    return "frames" if frames is not None and is_there(directory, folder=True) else None


def _refuse_other_labels(entries: Sequence[tuple[int, str]], list_name: str) -> None:
    """Raise InputError where each line is no source, but a file that is there with something behind it.

    A single line of the kind may be a file that has gone, which the others do not depend on.
    """
    behind = [_behind_a_file(entry) for _, entry in entries]
    if all(behind):
        cause = f"has {behind[0]!r} behind the source, expected the number of its class, or nothing"
        raise InputError(f"{list_name}:{entries[0][0]}", cause, "write the path, a blank and the number")


def _behind_a_file(entry: str) -> str:
    """Return what stands behind the name of a file that is there; nothing where the line is a source itself."""
    if is_there(entry):
        return ""
    ends = (found.start() for found in _BETWEEN.finditer(entry))
    return next((entry[end:].strip() for end in ends if os.path.isfile(entry[:end])), "")  # noqa: PTH113 - never raises


def _split(entry: str) -> tuple[str, str | None]:
    """Return what stands before the whole number at the end, and that number; all and None where there is none."""
    before, *last = entry.rsplit(maxsplit=1)
    return (before, last[0]) if last and last[0].isdecimal() else (entry, None)
