"""What the user names on the command line, expanded to single sources: files, of web servers too, and folders."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.labelled_lists import labelled_samples
from pptsn.runtime.classify.lists import Sample, source_of, without_companions
from pptsn.runtime.classify.source_lists import list_entries
from pptsn.runtime.credentials.misplaced import misplaced_address
from pptsn.runtime.decoding.clips import Labelled, as_source
from pptsn.runtime.decoding.clips import name_of as clip_name
from pptsn.runtime.video import WebFile
from pptsn.runtime.video.names import counted, is_companion, is_video, some_of
from pptsn.runtime.video.web.address import is_web, web_source

# A path, a file of a web server, or why there is neither; what may have a label is that, too.
Named: TypeAlias = "str | WebFile | InputError"
Asked: TypeAlias = "Named | Labelled"
# Told what a user should know of what was found.
_Note: TypeAlias = "Callable[[str], None] | None"
_Listed = TypeVar("_Listed")
# Its scheme and host alone are kept: what stands before the host and in the query may be credentials.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^/?#]*)")
_HIDDEN_HOST = "..."


def expand_sources(arguments: Iterable[str], *, note: _Note = None) -> list[Named]:
    """Return the sources that `arguments` name, in their order.

    A file stands for itself, and so does an address of HTTP, which is a file of a web server.
    `@list` is a text file with one source a line (blank lines and lines starting with # are skipped; relative
    paths start at the list); one that cannot be read or names nothing stands in its place as an InputError.  A
    file that is called `@name` itself is that file.  A folder stands for all videos below it, sorted by path, or,
    where it holds none, for itself: a folder of extracted frames; a part of it that cannot be read is an
    InputError.  A pattern with * ? [ ] stands for what it matches.
    Whatever matches nothing stands for itself, so that opening it reports what is wrong and the others go on.
    What systems put beside files of their own accord is passed over (`is_companion`).

    note: told, in a line each, which files of a folder or a list are left out.
    Raises UsageError where there is no source at all.
    """
    return _expand_all(arguments, lambda path: _expand_lines(_list_lines(path, note), note), note)


def expand_clips(arguments: Iterable[str], *, classes: int | None = None, note: _Note = None) -> list[Asked]:
    """Return what `expand_sources` does, but of each line of a training list its clip with the label.

    A `@list` is one where its lines have labels, see `labelled_samples`; there a line is one clip.  One that has
    labels in some lines, or of no class of the model, is an InputError in its place.
    classes: of the model, where that is known.
    """

    def in_list(path: Path) -> Sequence[Asked]:
        lines = _list_lines(path, note)
        samples = labelled_samples(lines, list_name=f"@{path}", classes=classes)
        if samples is None:
            return _expand_lines(lines, note)
        samples = without_companions(samples, root=path.parent, list_name=f"@{path}", note=note)
        return [_labelled(sample) for sample in samples]

    return _expand_all(arguments, in_list, note)


def _expand_all(
    arguments: Iterable[str], in_list: Callable[[Path], Sequence[_Listed | Named]], note: _Note
) -> list[_Listed | Named]:
    """Return the sources that `arguments` name; in_list: gives those of a list, or raises InputError."""
    sources: list[_Listed | Named] = []
    for argument in arguments:
        listed = list_named(argument)
        if listed is None:
            sources += _expand(argument, note)
            continue
        try:
            sources += in_list(listed)
        except InputError as error:
            sources.append(error)
    if not sources:
        raise UsageError("SOURCE", "no source given", "name files, folders, patterns, URLs or @list")
    return sources


def _expand_lines(lines: Iterable[tuple[int, str]], note: _Note) -> list[Named]:
    return [source for _, line in lines for source in _expand(line, note)]


def _labelled(sample: Sample) -> Labelled | InputError:
    source = _at_address(sample.path) or _misplaced(sample.path) or source_of(sample)
    return source if isinstance(source, InputError) else Labelled(source, sample.label)


def name_of(source: Asked) -> str:
    """Return what results call one of `expand_clips`."""
    return clip_name(as_source(source))


def list_named(argument: str) -> Path | None:
    """Return the list that `@list` names, or None for another argument: a file that is called so is that file."""
    if not argument.startswith("@") or argument == "@" or os.path.lexists(argument):
        return None
    return Path(argument[1:])


def _expand(argument: str, note: _Note) -> list[Named]:
    try:
        found = _expanded(argument, note)
    except OSError:  # a name that the system does not even look up; opening it will say why
        found = [argument]
    return [_misplaced(argument) or argument] if found == [argument] else found


def _expanded(argument: str, note: _Note) -> list[Named]:
    if (found := _at_address(argument)) is not None:
        return [found]
    path = Path(argument)
    if path.is_dir():
        return _in_folder(path, note)
    if argument.isdecimal() and not path.exists():
        return [
            InputError(
                argument, "there is no such file", f"for the camera of that number: pptsn stream {argument}"
            )
        ]
    if not path.exists() and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - pathlib's takes no absolute pattern
        named = [match for match in matches if not is_companion(Path(match).name)]
        # A pattern that matches a folder means what is in it, as naming the folder does.
        return [source for match in named for source in _expand(match, note)] or [argument]
    return [argument]


def _at_address(argument: str) -> WebFile | InputError | None:
    """Return the file at an address, or why it is none, without credentials; None for what is no address."""
    if is_web(argument):
        return web_source(argument)
    address = _ADDRESS.match(argument)
    if not address or os.path.lexists(argument):  # which takes names of any length
        return None
    cause = "is no file, and no address of one (http://, https://)"
    remedy = "give a camera or a stream to `pptsn stream`, or download it first"
    scheme, host = address.groups()
    # What stands before a later @ may be the beginning of a password with / ? or # in it.
    return InputError(scheme + (_HIDDEN_HOST if "@" in argument[address.end() :] else host), cause, remedy)


def _misplaced(argument: str) -> InputError | None:
    return None if os.path.lexists(argument) else misplaced_address(argument)


@dataclass
class FolderContents:
    """What lies in a folder and below.

    videos: paths, sorted, links that lead nowhere among them: by name they were meant to be some.
    others: paths of the files that are left out; links: of links to folders, which are not followed.
    unreadable: an error for each folder that cannot be read.
    """

    videos: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unreadable: list[InputError] = field(default_factory=list)


def contents_of(folder: Path) -> FolderContents:
    """Return what lies in `folder` and below, without what systems put there of their own accord."""
    found = FolderContents()

    def note_unreadable(error: OSError) -> None:
        cause = f"cannot be read ({(error.strerror or str(error)).lower()})"
        found.unreadable.append(InputError(error.filename, cause, "check its permissions"))

    for place, folders, files in os.walk(folder, onerror=note_unreadable):
        folders[:] = [name for name in folders if not is_companion(name)]
        found.links += [str(Path(place, name)) for name in folders if Path(place, name).is_symlink()]
        for name in files:
            if not is_companion(name):
                path = str(Path(place, name))
                # A pipe, say, could be read from for ever; of a link that leads nowhere, opening it will tell.
                # pathlib's raise where the way there is closed.
                is_one = is_video(name) and (os.path.isfile(path) or not os.path.exists(path))  # noqa: PTH110, PTH113
                (found.videos if is_one else found.others).append(path)
    for paths in (found.videos, found.others, found.links):
        paths.sort()
    return found


def _in_folder(folder: Path, note: _Note) -> list[Named]:
    found = contents_of(folder)
    if not found.videos:  # the folder itself is one of frames; opening it tells of what lies in it
        return [str(folder), *(error for error in found.unreadable if error.thing != str(folder))]
    if note is not None:
        for paths, what, why in (
            (found.others, "file", "by name no video"),
            (found.links, "linked folder", "not followed; name it as well if it is meant"),
        ):
            if paths:
                names = some_of([printable(os.path.relpath(path, folder)) for path in paths])
                note(f"{printable(str(folder))}: {counted(len(paths), what)} left out, {why}: {names}")
    return [*found.videos, *found.unreadable]


def _list_lines(path: Path, note: _Note) -> list[tuple[int, str]]:
    """Return the lines of the list at `path` with their numbers, paths from where the list lies."""
    entries = list_entries(path)
    left_out = [entry for _, entry in entries if _is_systems_own(entry)]
    named = [(number, entry) for number, entry in entries if not _is_systems_own(entry)]
    if note is not None and left_out:
        note(f"@{printable(str(path))}: {_lines(len(left_out))} of a system's own files: {some_of(left_out)}")
    # An absolute entry stays as it is.
    return [(number, entry if _ADDRESS.match(entry) else str(path.parent / entry)) for number, entry in named]


def _is_systems_own(entry: str) -> bool:
    return is_companion(entry) and not is_web(entry)


def _lines(count: int) -> str:
    return "left out 1 line" if count == 1 else f"left out {count} lines"
