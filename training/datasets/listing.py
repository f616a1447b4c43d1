"""From annotations and a folder of clips to lists, and what was found on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.video.folder import ImageFolderReader
from pptsn.training.datasets.annotations import Annotation
from pptsn.training.datasets.stored import StoredClips, bare_name, same_name

REPORT = "lists.report.json"


@dataclass
class ClipList:
    """One list that was made of annotations.

    lines: `path label`, or `directory frame_count label`, without line ends.
    missing: the published names of clips that are not there.
    renamed: published name to path, of clips that are called otherwise or lie in the folder of another class.
    repeated: published names that the annotations give more than once, of which the first counts.
    doubled: published name to all the paths of a clip that is there more than once, of which the first counts.
    unusable: a line for each clip that is there and cannot be listed.
    """

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    doubled: dict[str, list[str]] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)

    @property
    def annotated(self) -> int:
        """How many clips the annotations name, each once."""
        return len(self.lines) + len(self.missing) + len(self.unusable)


def list_clips(
    annotations: Iterable[Annotation], stored: StoredClips, *, format: str, prefix: Path | None = None
) -> dict[str, ClipList]:
    """Return the lists that `annotations` and the clips that are there make, by split, in the annotations' order.

    prefix: the folder that paths are to be relative to; None is that of the clips.
    Raises UsageError where the clips do not lie in it.
    """
    line_of = _LineOf(stored.root, format, prefix)
    lists: dict[str, ClipList] = {}
    seen: set[tuple[str, str]] = set()
    taken: set[tuple[str, PurePath]] = set()
    for clip in annotations:
        made = lists.setdefault(clip.split, ClipList())
        if (clip.split, clip.names[0]) in seen:
            made.repeated.append(clip.published)
            continue
        seen.add((clip.split, clip.names[0]))
        found = stored.find(clip.names, clip.folder)
        # A file without times in its name stands for one clip of its video.
        if not found or (clip.split, found[0]) in taken:
            made.missing.append(clip.published)
            continue
        taken.add((clip.split, found[0]))
        _add(made, clip, found, line_of)
    return lists


def _add(made: ClipList, clip: Annotation, found: list[PurePath], line_of: Callable[[PurePath, int], str]) -> None:
    path = found[0]
    try:
        made.lines.append(line_of(path, clip.label))
    except InputError as error:
        made.unusable.append(str(error))
        return
    if len(found) > 1:
        made.doubled[clip.published] = [str(each) for each in found]
    is_elsewhere = len(path.parts) > 1 and not same_name(path.parent.name, clip.folder)
    if bare_name(path.name) != clip.names[0] or is_elsewhere:
        made.renamed[clip.published] = str(path)


class _LineOf:
    """Makes the line of a clip, given its path below `root` and its label; raises InputError where none can be."""

    def __init__(self, root: Path, format: str, prefix: Path | None) -> None:
        self._root, self._format = root, format
        try:
            self._start = PurePath() if prefix is None else root.resolve().relative_to(prefix.resolve())
        except ValueError:
            cause = f"{prefix} does not hold the clips ({root})"
            raise UsageError("--prefix", cause, "name a folder above them, or leave it out") from None

    def __call__(self, path: PurePath, label: int) -> str:
        clip = self._root / path
        name = listable(str(self._start / path), clip)
        frames = None if self._format == "videos" else ImageFolderReader(clip).frame_count()
        return list_line(name, label, frames)


def listable(name: str, clip: Path) -> str:
    """Return `name`, by which a list is to name `clip`; raises InputError where no line can."""
    if not _is_listable(name):
        raise InputError(clip, "has a name that no line of a list can hold", "rename it")
    return name


def list_line(name: str, label: int, frames: int | None) -> str:
    """Return the line of a clip, without its end; frames: of a folder of frames, None for a video."""
    return f"{name} {label}" if frames is None else f"{name} {frames} {label}"


def labels_text(labels: Iterable[str]) -> str:
    """Return the content of a file of class names, `id name` a line."""
    return "".join(f"{number} {name}\n" for number, name in enumerate(labels))


def _is_listable(name: str) -> bool:
    """Whether a line of a list can begin with `name`, and be read again."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return name == name.strip() and not {"\n", "\r"} & set(name)


def in_both(one: ClipList, other: ClipList) -> list[str]:
    """Return the lines of `one` that `other` has as well, whose clip is so learned and tested with."""
    return sorted(set(one.lines) & set(other.lines))


def write_lists(folder: Path, lists: dict[str, ClipList], labels: Iterable[str]) -> None:
    """Write each list under its name, `labels.txt` (`id name`) and a report of what was found, into `folder`.

    Raises InputError where no clip at all was found, and where a place cannot be written, having written nothing.
    """
    if not any(made.lines for made in lists.values()):
        if not any(made.annotated for made in lists.values()):
            raise InputError("annotations", "name no clip", "take whole files of the data set")
        absent = next((made.missing[0] for made in lists.values() if made.missing), "")
        cause = "none of the annotated clips is there" + (f", such as {absent}" if absent else "")
        raise InputError("clips", cause, "name the folder of this data set's clips")
    files = {name: "".join(f"{line}\n" for line in made.lines) for name, made in lists.items()}
    files["labels.txt"] = labels_text(labels)
    found = {name: {"listed": len(made.lines), **_without_lines(made)} for name, made in lists.items()}
    files[REPORT] = json.dumps(found, indent=1, ensure_ascii=True) + "\n"
    with written_together(folder, files):
        pass


@contextmanager
def written_together(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Write `files`, the text of each by its name in `folder`, beside their places, which they take after it.

    All are on the disk when the block begins, so that a full one leaves everything as it was; the last of them
    takes its place last.  Raises InputError where they cannot be written.
    """
    with ExitStack() as held:
        places = {name: held.enter_context(atomic_file(folder / name)) for name in reversed(list(files))}
        for name, text in files.items():
            places[name].write_text(text, encoding="utf-8")
            with places[name].open("rb") as written:
                os.fsync(written.fileno())
        yield


def _without_lines(made: ClipList) -> dict[str, object]:
    return {name: value for name, value in asdict(made).items() if name != "lines"}
