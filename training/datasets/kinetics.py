"""Kinetics-400's annotation files: CSV with the columns label, youtube_id, time_start, time_end, split, is_cc."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.model.labels import kinetics400
from pptsn.runtime.video.names import some_of
from pptsn.training.datasets.annotations import Annotation, read_annotation_text

_NEEDED = ("label", "youtube_id", "time_start", "time_end")
_SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
_NAME_A_FILE = "name Kinetics-400's train.csv, val.csv or test.csv, or the folder that they are in"
# Some cut at the second before or after: the published name is of whole seconds, the annotation need not be.
_SECONDS_OFF = (0, -1, 1)


def read_annotations(paths: Sequence[Path], *, note: Callable[[str], None]) -> list[Annotation]:
    """Return the clips that the files at `paths` name; a folder stands for the CSV files in it.

    note: told of a file in a folder that is left out, as it has no classes: a test set whose were not published.
    Raises InputError for a folder without any other, and what `read_kinetics` raises.
    """
    found: list[Annotation] = []
    for path in paths:
        found += _read_folder(path, note) if path.is_dir() else read_kinetics(path)
    return found


def _read_folder(folder: Path, note: Callable[[str], None]) -> list[Annotation]:
    read = []
    for file in sorted(folder.glob("*.csv")):
        try:
            read.append(read_kinetics(file))
        except _WithoutClassesError as error:
            note(f"{file}: left out, as it {error.cause}")
    if not read:
        raise InputError(folder, "holds no CSV file with classes", _NAME_A_FILE)
    return [clip for clips in read for clip in clips]


class _WithoutClassesError(InputError):
    """The file says which clips there are, and not what they show."""


def read_kinetics(path: Path) -> list[Annotation]:
    """Return the clips that an annotation file names, in its order.

    Classes have the numbers of Kinetics-400's alphabetical table (5 = archery), however many of them the file
    names.  A clip's split is what its row says, or else the name of the file.
    Raises InputError, in one line with the place, for what is no such file: other columns, times that are no
    numbers, and classes of another year (Kinetics-600, Kinetics-700), which have other numbers.
    """
    rows = list(_rows(path))
    labels = {_plain(name): (number, name) for number, name in enumerate(kinetics400())}
    _refuse_other_years(path, {_plain(row.label) for row in rows}, known=set(labels))
    found = []
    for row in rows:
        label, class_name = labels[_plain(row.label)]
        names = _names(row.youtube_id, row.start_s, row.end_s)
        found.append(Annotation(names, class_name.replace(" ", "_"), label, row.split))
    return found


@dataclass(frozen=True)
class _Row:
    label: str
    youtube_id: str
    start_s: int
    end_s: int
    split: str


def _rows(path: Path) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(read_annotation_text(path), newline=""), strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        _check_columns(path, columns)
        for fields in reader:
            if any(field.strip() for field in fields):
                yield _row(fields, columns, path, reader.line_num)
    except csv.Error as error:
        cause = f"is no CSV ({error})"
        raise InputError(f"{path}:{reader.line_num}", cause, "get the file again") from error


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if "youtube_id" in columns and "label" not in columns:
        cause = "has no column `label`: the classes of this test set were not published"
        raise _WithoutClassesError(path, cause, "leave it out; the published figures are of the validation list")
    if not set(_NEEDED) <= set(columns):
        got = ",".join(columns)[:80]
        cause = f"expected the columns {','.join(_NEEDED)},split,is_cc, got {got!r}"
        raise InputError(f"{path}:1", cause, _NAME_A_FILE)


def _row(fields: Sequence[str], columns: Sequence[str], path: Path, line: int) -> _Row:
    where = f"{path}:{line}"
    if len(fields) != len(columns):
        raise InputError(where, f"expected {len(columns)} fields, got {len(fields)}", "correct the line")
    values = {column: field.strip() for column, field in zip(columns, fields, strict=True)}
    for column in ("label", "youtube_id"):
        if not values[column]:
            raise InputError(where, f"its {column} is empty", "correct the line")
    if "/" in values["youtube_id"] or "\0" in values["youtube_id"]:
        raise InputError(where, f"youtube_id is {values['youtube_id']!r}, which names no file", "correct the line")
    start_s, end_s = (_seconds(values[column], column, where) for column in ("time_start", "time_end"))
    split = _split(values.get("split") or path.stem, where)
    return _Row(values["label"], values["youtube_id"], start_s, end_s, split)


def _seconds(text: str, column: str, where: str) -> int:
    try:
        seconds = int(float(text))
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise InputError(where, f"{column} is {text!r}, expected seconds of 0 or more", "correct the line")
    return seconds


def _split(text: str, where: str) -> str:
    words = text.lower().replace("-", "_").split("_")
    for word in reversed(words):
        if word in _SPLITS:
            return _SPLITS[word]
    cause = f"its split is {text!r}, expected train, val or test"
    raise InputError(where, cause, "correct the line, or name the file train.csv, val.csv or test.csv")


def _plain(label: str) -> str:
    return label.replace("_", " ").strip('" ').lower()


def _refuse_other_years(path: Path, named: set[str], *, known: set[str]) -> None:
    foreign = sorted(named - known)
    if not foreign:
        return
    year = "Kinetics-700" if len(named) > 650 else "Kinetics-600" if len(named) > 400 else "another data set"
    cause = (
        f"{len(foreign)} of the {len(named)} classes that it names are not Kinetics-400's ({some_of(foreign)}): "
        f"it seems to be of {year}"
    )
    raise InputError(path, cause, _NAME_A_FILE)


def _names(youtube_id: str, start_s: int, end_s: int) -> tuple[str, ...]:
    """Return what a clip's file may be called, the published name first."""
    times = [(start_s + a, end_s + b) for a in _SECONDS_OFF for b in _SECONDS_OFF]
    padded = [f"{youtube_id}_{start:06d}_{end:06d}" for start, end in times]
    return (padded[0], f"{youtube_id}_{start_s}_{end_s}", youtube_id, *padded[1:])
