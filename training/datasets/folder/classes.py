"""Which classes a folder holds, and which clips are of each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError, reason_of
from pptsn.runtime.model.spec import LONGEST_LABEL
from pptsn.runtime.video.names import counted, is_companion, is_video, some_of
from pptsn.training.datasets.stored import clips_below, same_name

# What the parts of a data set that is split already are called.
_PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
# Control characters, halves of characters (bytes that are no UTF-8), and what ends lines and paragraphs.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
_FRAMES = "img_00001.jpg and on"


@dataclass(frozen=True)
class Clip:
    """A clip: its path below the folder of the classes, and the number of its class."""

    path: str
    label: int


@dataclass(frozen=True)
class ClassFolders:
    """What a folder holds.  names: of the classes, in the order of their numbers.  format: videos or frames."""

    root: Path
    names: tuple[str, ...]
    clips: list[Clip]
    format: str


def has_plain_text(name: str) -> bool:
    """Whether `name` can be written in one line: spaces of all kinds and the joiners of some scripts can."""
    return not any(unicodedata.category(character) in _NO_TEXT for character in name)


def read_classes(root: Path, *, format: str | None, note: Callable[[str], None]) -> ClassFolders:
    """Return the classes in `root`, one folder each, and all the clips in and below them; links are followed.

    Classes are numbered in the order of their names.
    format: videos, or frames for folders of pictures img_00001.jpg and on; None takes what is there.
    note: told in a line each what is left out, and what lies deeper than in the folder of its class.
    Raises InputError where there are no two classes or no clips, and for names that no class can have; UsageError
    for a folder that is split already, and for one of both formats where none is given.
    """
    folders = _folders(root, note)
    _refuse_split(root, folders)
    format = format or _format_of(root, folders)
    found = {folder: clips_below(root / folder, format=format) for folder in folders}
    empty = [folder for folder, clips in found.items() if not clips]
    if empty:
        note(f"{root}: {counted(len(empty), 'folder')} no class, without {_called(format)}: {some_of(empty)}")
    held = [folder for folder, clips in found.items() if clips]
    if len(held) < 2:
        holds = f"holds one class alone ({held[0]})" if held else f"holds no folder with {_called(format)}"
        raise InputError(root, holds, "give each class a folder of its own in it, as in CLIPS/run and CLIPS/jump")
    names = _names(root, held)
    for folder in held:
        _note_nested(root, folder, found[folder], note)
    if format == "videos":
        _note_others(root, held, note)
    clips = [Clip(f"{folder}/{path}", label) for label, folder in enumerate(held) for path in found[folder]]
    return ClassFolders(root, names, clips, format)


def _called(format: str) -> str:
    return "videos" if format == "videos" else f"frames ({_FRAMES})"


def _folders(root: Path, note: Callable[[str], None]) -> list[str]:
    """Return the names of the folders in `root`, sorted, but for hidden ones and those of a system's making."""
    try:
        inside = sorted(root.iterdir())
    except OSError as error:
        cause = f"cannot be read ({reason_of(error).lower()})"
        raise InputError(root, cause, "name a folder with one folder a class") from error
    own = [path for path in inside if not is_companion(path.name)]
    hidden = [path.name for path in own if path.is_dir() and path.name.startswith(".")]
    if hidden:
        note(f"{root}: hidden folders are no classes: {some_of(hidden)}")
    broken = [path.name for path in own if path.is_symlink() and not path.exists()]
    if broken:
        note(
            f"{root}: {counted(len(broken), 'link')} left out that no file or folder is behind: {some_of(broken)}"
        )
    loose = [path.name for path in own if is_video(path.name) and path.is_file()]
    if loose:
        note(
            f"{root}: {counted(len(loose), 'video')} left out, beside the folders of the classes: {some_of(loose)}"
        )
    return [path.name for path in own if path.is_dir() and path.name not in hidden]


def _refuse_split(root: Path, folders: Sequence[str]) -> None:
    if len(folders) > 1 and all(folder.lower() in _PARTS for folder in folders):
        cause = f"is split already, as its folders are called {', '.join(folders)}"
        raise UsageError(
            root, cause, f"name a folder of classes, such as {root / folders[0]}, or put them together"
        )


def _format_of(root: Path, folders: Sequence[str]) -> str:
    there = [kind for kind in ("videos", "frames") if any(clips_below(root / f, format=kind) for f in folders)]
    if len(there) == 2:
        raise UsageError(root, "holds videos and folders of frames", "choose one by --format videos or frames")
    return there[0] if there else "videos"


def _names(root: Path, folders: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes in `folders`: the folders', composed as most systems do."""
    names: list[str] = []
    for folder in folders:
        name = unicodedata.normalize("NFC", folder).strip()
        if not name or not has_plain_text(name):
            cause = "has a name that no class can have (control characters, or bytes that are no UTF-8)"
            raise InputError(root / folder, cause, "rename it")
        if len(name) > LONGEST_LABEL:
            cause = f"has a name of {len(name)} characters, a class may have {LONGEST_LABEL}"
            raise InputError(root / folder, cause, "rename it")
        other = next((known for known in names if same_name(known, name)), None)
        if other is not None:
            raise InputError(
                root / folder, f"and {other} have one name but for case and spaces", "put them together"
            )
        names.append(name)
    return tuple(names)


def _note_nested(root: Path, folder: str, clips: Sequence[str], note: Callable[[str], None]) -> None:
    nested = [path for path in clips if "/" in path]
    if nested:
        places = sorted({path.rpartition("/")[0] for path in nested})
        told = f"{counted(len(nested), 'clip')} of this class, too, in folders below it"
        note(f"{root / folder}: {told}: {some_of(places)}")


def _note_others(root: Path, folders: Sequence[str], note: Callable[[str], None]) -> None:
    """Tell what is no video: files of a system's making, and others, once each."""
    system: list[str] = []
    others: list[str] = []
    for folder in folders:
        for place, inside, files in os.walk(root / folder):
            below = [os.path.relpath(os.path.join(place, name), root) for name in (*inside, *files)]  # noqa: PTH118
            system += [name for name in below if is_companion(os.path.basename(name))]  # noqa: PTH119
            inside[:] = [name for name in inside if not is_companion(name)]
            others += [
                name for name in below[-len(files) :] if files and not (is_video(name) or is_companion(name))
            ]
    if system:
        note(f"{root}: {len(system)} of a system's own files left out: {some_of(sorted(system))}")
    if others:
        note(f"{root}: {counted(len(others), 'file')} left out, by name no video: {some_of(sorted(others))}")
