"""What is kept in the user's folder of caches: it may be lost at any time, and then costs time to make again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file

_DIGEST_SIZE = hashlib.sha256().digest_size

Bytes = npt.NDArray[np.uint8]


def cache_folder(name: str) -> Path:
    """Return the folder for what is called `name`, which need not be there yet.

    It lies in `$XDG_CACHE_HOME/pptsn`, or `~/.cache/pptsn`, or, in a container without a home, among the temporary
    files.
    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        home = Path(tempfile.gettempdir())
    return home / "pptsn" / name


class FileCache:
    """Files by key in `folder`: at most `entries` of them, and `size` bytes; those unused for longest go first.

    Each carries the SHA-256 of its content, so that a damaged one is as good as none.  An entry may be a folder
    instead, for what a library reads and writes by itself.  Nothing raises: a folder that cannot be written keeps
    nothing.
    """

    def __init__(self, folder: Path, *, entries: int, size: int) -> None:
        self._folder, self._entries, self._size = folder, entries, size

    def load(self, key: str) -> Bytes | None:
        """Return the content kept under `key`, mapped from the file; None where there is none.

        What is written into it stays in this process.
        """
        path = self._folder / key
        try:
            whole = np.memmap(path, np.uint8, mode="c")
        except (OSError, ValueError):  # an empty file cannot be mapped
            return None
        content, digest = whole[:-_DIGEST_SIZE], whole[-_DIGEST_SIZE:]
        if hashlib.sha256(content.data).digest() != digest.tobytes():
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):  # the folder may be read-only
            os.utime(path)
        return content

    def store(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`, and remove what is more than may be kept."""
        if len(content) > self._size:
            return
        # Not forced to the disk, which takes long: what a crash spoils is found by its digest.
        with (
            suppress(OSError, InputError),
            atomic_file(self._folder / key, durable=False) as temporary,
            open(temporary, "wb") as stream,
        ):
            stream.write(content)
            stream.write(hashlib.sha256(content).digest())
        with suppress(OSError):
            self._trim()

    def subfolder(self, key: str) -> Path | None:
        """Return the folder kept under `key`, made if need be; None where it cannot be made.

        It counts with what it holds now: what is written into it later counts when the next one is kept.
        """
        path = self._folder / key
        try:
            path.mkdir(parents=True, exist_ok=True)
            os.utime(path)
            self._trim()
            path.mkdir(exist_ok=True)  # it had grown beyond all that may be kept
        except OSError:
            return None
        return path

    def _trim(self) -> None:
        kept = size = 0
        for path in sorted(self._folder.iterdir(), key=_used_s, reverse=True):
            with suppress(OSError):  # another process removes them as well
                kept, size = kept + 1, size + _size(path)
                if kept > self._entries or size > self._size:
                    _remove(path)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _used_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
