"""What lies in a folder of clips: video files or folders of extracted frames, found by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.temporary import is_temporary
from pptsn.runtime.video.folder import is_numbered_frame
from pptsn.runtime.video.names import is_companion, is_video


class StoredClips:
    """The clips in the folder `root` and below it, links to folders included.

    format: `videos` for files, `frames` for folders of pictures `img_00001.jpg` and on.
    Raises InputError where the folder cannot be read, or holds no clip.
    """

    def __init__(self, root: Path, *, format: str) -> None:
        self.root = root
        self._exact: defaultdict[str, list[PurePath]] = defaultdict(list)
        self._folded: defaultdict[str, list[PurePath]] = defaultdict(list)
        self.count = 0
        for path in sorted(_videos(root) if format == "videos" else _frame_folders(root)):
            self._exact[bare_name(path)].append(path)
            self._folded[bare_name(path).casefold()].append(path)
            self.count += 1
        if not self.count:
            what = "video" if format == "videos" else "folder of frames (img_00001.jpg)"
            raise InputError(root, f"holds no {what}", "name the folder that the clips are in")

    def find(self, names: Sequence[str], folder: str) -> list[PurePath]:
        """Return the paths, relative to the root, of the clip that has one of `names`; none where it is missing.

        An earlier name counts before a later one, and upper and lower case do not where nothing else is there.
        Where several have the name, those come first that lie in a folder called `folder`, up to spaces and
        underscores.
        """
        for index, fold in ((self._exact, str), (self._folded, str.casefold)):
            for name in names:
                if found := index.get(fold(name)):
                    return sorted(found, key=lambda path: not _lies_in(path, folder))
        return []


def bare_name(path: PurePath) -> str:
    """Return the name of a clip without the suffixes of videos: some tools leave `x.mp4.mkv`, or `x.mp4/`."""
    name = path.name
    while is_video(name):
        name = PurePath(name).stem
    return name


def same_name(one: str, other: str) -> bool:
    """Whether two names of a class are one, up to spaces, underscores and case."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name.replace(" ", "_").casefold()


def _lies_in(path: PurePath, folder: str) -> bool:
    return same_name(path.parent.name, folder)


def _videos(root: Path) -> Iterator[PurePath]:
    for place, _, files in _walk(root):
        yield from (place / name for name in files if is_video(name) and not is_companion(name))


def _frame_folders(root: Path) -> Iterator[PurePath]:
    for place, folders, files in _walk(root):
        if any(map(is_numbered_frame, files)):
            folders.clear()
            yield place


def _walk(root: Path) -> Iterator[tuple[PurePath, list[str], list[str]]]:
    """Yield what `os.walk` does, with paths relative to `root`, each folder once, whatever links lead to it."""
    seen: set[tuple[int, int]] = set()

    def complain(error: OSError) -> None:
        cause = f"cannot be read ({(error.strerror or str(error)).lower()})"
        raise InputError(error.filename, cause, "check the path and its permissions")

    for place, folders, files in os.walk(root, onerror=complain, followlinks=True):
        there = os.stat(place)  # noqa: PTH116 - `place` is a text
        if (there.st_dev, there.st_ino) in seen:
            folders.clear()
            continue
        seen.add((there.st_dev, there.st_ino))
        folders[:] = sorted(name for name in folders if not (is_companion(name) or is_temporary(Path(name))))
        yield PurePath(os.path.relpath(place, root)), folders, files
