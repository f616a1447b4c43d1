"""What the user names on the command line, expanded to single sources: files and folders of frames."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".264", ".265", ".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts", ".m4v",
    ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ps", ".ts", ".vob",
    ".webm", ".wmv",
))
# fmt: on


def expand_sources(arguments: Iterable[str]) -> list[str | InputError]:
    """Return the sources that `arguments` name, in their order.

    A file stands for itself.  `@list` is a text file with one source a line (blank lines and lines starting
    with # are skipped; relative paths start at the list); one that cannot be read or names nothing stands in
    its place as an InputError.  A folder stands for all videos below it, sorted by path, or, where it holds
    none, for itself: a folder of extracted frames.  A pattern with * ? [ ] stands for what it matches.
    Whatever matches nothing stands for itself, so that opening it reports what is wrong and the others go on.

    Raises UsageError where there is no source at all.
    """
    sources: list[str | InputError] = []
    for argument in arguments:
        if argument.startswith("@"):
            try:
                sources += [source for line in _list_lines(Path(argument[1:])) for source in _expand(line)]
            except InputError as error:
                sources.append(error)
        else:
            sources += _expand(argument)
    if not sources:
        raise UsageError("SOURCE", "no source given", "name files, folders, patterns or @list")
    return sources


def _expand(argument: str) -> list[str]:
    try:
        return _expanded(argument)
    except OSError:  # a name that the system does not even look up; opening it will say why
        return [argument]


def _expanded(argument: str) -> list[str]:
    path = Path(argument)
    if path.is_dir():
        return videos_below(path) or [argument]
    if not path.exists() and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - pathlib's takes no absolute pattern
        # A pattern that matches a folder means what is in it, as naming the folder does.
        return [source for match in matches for source in _expand(match)] or [argument]
    return [argument]


def videos_below(folder: Path) -> list[str]:
    """Return the paths of all files with a video suffix in `folder` and below, sorted."""
    return sorted(
        str(path) for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    )


def _list_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise InputError(f"@{path}", f"the list cannot be read ({cause})", "expected one source a line") from error
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not entries:
        raise InputError(f"@{path}", "the list names no source", "expected one source a line")
    return [str(path.parent / entry) for entry in entries]  # an absolute entry stays as it is
