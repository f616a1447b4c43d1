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
        # By the name without its suffix, whatever the case: texts, as there may be hundreds of thousands.
        self._named: defaultdict[str, list[str]] = defaultdict(list)
        self.count = 0
        for path in clips_below(root, format=format):
            self._named[bare_name(path).casefold()].append(path)
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
        alike = [(name, self._named.get(name.casefold(), [])) for name in names]
        exact = ([path for path in paths if bare_name(path) == name] for name, paths in alike)
        found = next(filter(None, exact), None) or next((paths for _, paths in alike if paths), [])
        return [PurePath(path) for path in sorted(found, key=lambda path: not _lies_in(path, folder))]


def clips_below(root: Path, *, format: str) -> list[str]:
    """Return the paths, relative to `root`, of the clips in that folder and below it, sorted.

    format: as in `StoredClips`.  Raises InputError where a folder cannot be read.
    """
    return sorted(_videos(root) if format == "videos" else _frame_folders(root))


def bare_name(path: str) -> str:
    """Return the name of a clip without the suffixes of videos: some tools leave `x.mp4.mkv`, or `x.mp4/`."""
    name = path.rpartition("/")[2]
    while is_video(name):
        name = name.rpartition(".")[0]
    return name


def same_name(one: str, other: str) -> bool:
    """Whether two names of a class are one, up to spaces, underscores and case."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name.replace(" ", "_").casefold()


def _lies_in(path: str, folder: str) -> bool:
    return same_name(PurePath(path).parent.name, folder)


def _videos(root: Path) -> Iterator[str]:
    for place, _, files in _walk(root):
        yield from (place + name for name in files if is_video(name) and not is_companion(name))


def _frame_folders(root: Path) -> Iterator[str]:
    for place, folders, files in _walk(root):
        if any(map(is_numbered_frame, files)):
            folders.clear()
            yield place.removesuffix("/")


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what `os.walk` does, each folder once, whatever links lead to it.

    Folders are relative to `root`, with a slash at the end where they are not `root` itself.
    """
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
        below = os.path.relpath(place, root)
        yield "" if below == os.curdir else f"{below}/", folders, files
