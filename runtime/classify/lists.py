"""List files: which videos a data set holds, and their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import lines_of
from pptsn.runtime.base.options import is_whole
from pptsn.runtime.decoding.clips import Excerpt, Source
from pptsn.runtime.video.names import is_companion, some_of

LIST_FORMATS = ("videos", "frames")
FIELDS = {"videos": "path label", "frames": "directory frame_count label"}
# What fits 64 bits; Python itself refuses to read numbers of thousands of digits.
_MAX_DIGITS = 18
# Lines to look at for the format of a list; the clips that the first ones name may be missing.
_LINES_TO_GUESS = 100

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Sample:
    """One clip of a list.

    path: a video file, or a folder of extracted frames (`img_00001.jpg` and on).
    label: its class, 0 or more.
    frames: how many frames of the folder belong to the clip; None for a video file, whose frames are counted when
        it is opened.
    """

    path: str
    label: int
    frames: int | None = None


@dataclass(frozen=True)
class ListLine:
    """A line of a list that is not blank: its number, its text, and the sample in it, or why there is none."""

    number: int
    text: str
    sample: Sample | InputError


def read_list(
    path: str | Path,
    *,
    format: str = "videos",
    prefix: str | Path | None = None,
    classes: int | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Sample]:
    """Return the samples of a list file in its order.

    Blank lines are skipped, and so is what systems put beside files of their own accord (`is_companion`), as it
    comes into lists that are made of folders.

    format: `videos` (`path label` a line) or `frames` (`directory frame_count label`); the last fields are the
        numbers, so that paths can hold spaces.
    prefix: the folder that paths are relative to; without one, the folder of the list itself.
    classes: where known, labels must be below it.
    note: told what is skipped but blank lines.
    Raises InputError, naming the file and the line, for what cannot be used; UsageError for an unknown format.
    """
    samples = []
    for line in list_lines(path, format=format, prefix=prefix, classes=classes):
        if isinstance(line.sample, InputError):
            raise line.sample
        samples.append(line.sample)
    samples = without_companions(samples, root=_root_of(path, prefix), list_name=str(path), note=note)
    if not samples:
        raise InputError(path, "is empty", f"give it lines `{FIELDS[format]}`")
    return samples


def list_lines(
    path: str | Path, *, format: str = "videos", prefix: str | Path | None = None, classes: int | None = None
) -> Iterator[ListLine]:
    """Yield the lines of a list file, whatever is wrong with them; the arguments are those of `read_list`.

    Raises InputError for a file that cannot be read at all, UsageError for an unknown format.
    """
    check_list_format(format)
    root = _root_of(path, prefix)
    for number, line in enumerate(_lines_of(path, format), 1):
        if line.strip():
            yield ListLine(number, line.strip(), _parsed(line, f"{path}:{number}", format, root, classes))


def check_list_format(format: str) -> None:
    """Raise UsageError for a format that is none of LIST_FORMATS."""
    if format not in LIST_FORMATS:
        raise UsageError("--format", f"unknown format {format!r}", f"choose one of {', '.join(LIST_FORMATS)}")


def _root_of(path: str | Path, prefix: str | Path | None) -> Path:
    return Path(path).parent if prefix is None else Path(prefix)


def _lines_of(path: str | Path, format: str) -> list[str]:
    try:
        return lines_of(path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "name a list file") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8", f"name a list file of lines `{FIELDS[format]}`") from error


def read_any_list(path: str | Path, *, note: Callable[[str], None] | None = None) -> list[Sample]:
    """Return the samples of a list file as `read_list` does, in the format that its lines are in.

    What decides is the first line whose path is there: `x 12 3` is the file or folder `x 12`, or else the folder
    of frames `x`.  Where none of the first hundred is, the list counts as one of videos.
    """
    samples = read_list(path, format="videos", note=note)
    if _names_frames(samples[:_LINES_TO_GUESS]):
        return read_list(path, format="frames")
    return samples


def _names_frames(samples: Sequence[Sample]) -> bool:
    """Whether lines that were read as `path label` are of the form `directory frame_count label`."""
    for sample in samples:
        if is_there(sample.path):
            return False
        directory, *count = sample.path.rsplit(maxsplit=1)
        if count and count[0].isdecimal() and is_there(directory, folder=True):
            return True
    return False


def is_there(path: str, *, folder: bool = False) -> bool:
    """Return whether a file or folder lies at `path`, or a folder."""
    try:
        return Path(path).is_dir() if folder else Path(path).exists()
    except OSError:  # a name that the system does not even look up
        return False


def without_companions(
    samples: Sequence[Sample], *, root: Path, list_name: str, note: Callable[[str], None] | None = None
) -> list[Sample]:
    """Return `samples` without what systems put beside files of their own accord, which `note` is told.

    root: the folder that their paths are relative to.  list_name: names their list.
    """
    companions = [sample.path for sample in samples if _is_companion(sample, root)]
    if companions and note is not None:
        note(f"{list_name}: {len(companions)} of a system's own files left out: {some_of(companions)}")
    return [sample for sample in samples if not _is_companion(sample, root)]


def _is_companion(sample: Sample, root: Path) -> bool:
    path = Path(sample.path)
    return is_companion(path.relative_to(root) if path.is_relative_to(root) else path.name)


def source_of(sample: Sample) -> Source:
    """Return what stands for the clip of `sample` in `clip_frames`."""
    return sample.path if sample.frames is None else Excerpt(Path(sample.path), sample.frames)


def evenly(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return at most `count` of `items`, evenly spread, in their order."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def _parsed(line: str, where: str, format: str, root: Path, classes: int | None) -> Sample | InputError:
    try:
        return parse_line(line, where, format=format, root=root, classes=classes)
    except InputError as error:
        return error


def parse_line(line: str, where: str, *, format: str, root: Path | None, classes: int | None) -> Sample:
    """Return the sample that one line tells; format and classes: see `read_list`.

    where: names the line in errors.  root: the folder that its path is relative to; None leaves the path as it is.
    Raises InputError for what is no such line.
    """
    numbers = FIELDS[format].count(" ")
    fields = line.strip().rsplit(maxsplit=numbers)
    if len(fields) <= numbers:
        raise InputError(where, f"expected `{FIELDS[format]}`, got {line.strip()!r}", "correct the line")
    label = _whole_number(fields[-1], where, "label")
    if classes is not None:
        require_class(label, classes, where, "correct the line")
    frames = None
    if format == "frames":
        frames = _whole_number(fields[1], where, "frame count")
        if frames == 0:
            raise InputError(where, "frame count is 0, expected 1 or more", "correct the line")
    return Sample(fields[0] if root is None else str(root / fields[0]), label, frames)


def require_class(label: int, classes: int, thing: str, remedy: str) -> None:
    """Raise InputError on `thing` for a label that is none of as many classes."""
    if not is_whole(label):  # as of a program that has read it from a file
        cause = f"label {label!r} is {type(label).__name__}, expected a whole number"
        raise InputError(thing, cause, remedy)
    if not 0 <= label < classes:
        raise InputError(thing, f"label {label} is out of range, expected 0 to {classes - 1}", remedy)


def _whole_number(field: str, where: str, name: str) -> int:
    # str.isdecimal() alone takes other scripts' digits too.
    if not (field.isascii() and field.isdecimal()):
        raise InputError(where, f"{name} is {field!r}, expected a whole number of 0 or more", "correct the line")
    if len(field) > _MAX_DIGITS:
        cause = f"{name} has {len(field)} digits, expected at most {_MAX_DIGITS}"
        raise InputError(where, cause, "correct the line")
    return int(field)
