"""The folder of fetched weights: each is there whole or not at all, beside its SHA-256 of when it first came."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.caches import cache_folder
from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.base.files import read_small, sha256_of, write_text
from pptsn.runtime.base.progress import Steps
from pptsn.runtime.base.temporary import lock_file
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.downloads.catalogue import Weights, published
from pptsn.training.downloads.transfer import Limits, download, forget

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUM, _PART = ".sha256", ".part"


@dataclass(frozen=True)
class Fetched:
    """Weights in the folder.

    was_there: nothing had to be fetched.  was_known: there was a checksum to compare with.
    """

    path: Path
    sha256: str
    was_there: bool
    was_known: bool


class WeightStore:
    """The weights in `folder`, the user's folder of caches if None."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_folder("weights") if folder is None else folder

    def fetch(
        self,
        weights: Weights,
        *,
        sha256: str | None = None,
        progress: Steps | None = None,
        limits: Limits | None = None,
    ) -> Fetched:
        """Have `weights` in the folder, fetching what is not there.

        sha256: what the file must have, in hexadecimal; without it, what it had when it was first fetched.
        Raises InputError where it cannot be had or written, ModelError where it has another checksum or holds no
        weights, UsageError for a `sha256` that is none, and while another process fetches the same.
        """
        path = self.folder / weights.file
        expected = self.recorded(path) if sha256 is None else checked_sha256(sha256)
        with self._alone(path):
            if path.exists():
                return self._record(path, path, expected, was_there=True)
            part = path.with_name(path.name + _PART)
            download(weights.url, part, progress=progress, limits=limits, is_proven=expected is not None)
            return self._record(part, path, expected, was_there=False)

    def _record(self, file: Path, path: Path, expected: str | None, *, was_there: bool) -> Fetched:
        """Give `file` its name `path`, once it is weights of the expected checksum, and that is recorded."""
        found = sha256_of(file)
        if expected not in (None, found):
            remedy = f"remove it and fetch it again, or give --sha256 {found} to take it as it is"
            if not was_there:
                forget(file)
                remedy = f"it was thrown away; where its publisher has changed it, give --sha256 {found}"
            raise ModelError(
                path, f"{'' if was_there else 'what came '}has the SHA-256 {found}, expected {expected}", remedy
            )
        self._require_weights(file, path, was_there=was_there)
        try:
            write_text(path.with_name(path.name + _SUM), f"{found}  {path.name}\n")
            if not was_there:
                with open(file, "rb") as stream:
                    os.fsync(stream.fileno())
                os.replace(file, path)
                forget(file)
        except OSError as error:
            raise InputError(path, f"cannot be written ({error.strerror})", "make room, then try again") from error
        return Fetched(path, found, was_there, expected is not None)

    def _require_weights(self, file: Path, path: Path, *, was_there: bool) -> None:
        """Raise ModelError where `file`, which is or shall be called `path`, holds no arrays."""
        try:
            cause = "" if read_pickle(file) else "holds no array"
        except ModelError as error:
            cause = error.cause
        if not cause:
            return
        if was_there:
            raise ModelError(path, cause, "remove it and fetch it again")
        forget(file)
        raise ModelError(path, f"no weights came ({cause})", "it was thrown away; check the address")

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Keep another process from fetching the same."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with lock_file(path.with_name(f".{path.name}.lock")):
                yield
        except BlockingIOError as error:
            raise UsageError(path, "is being fetched by another process", "wait until it has ended") from error
        except OSError as error:
            cause = f"cannot be written ({error.strerror or error})"
            raise InputError(path, cause, "choose another place with XDG_CACHE_HOME") from error

    def recorded(self, path: Path) -> str | None:
        """Return the SHA-256 that the file at `path` had when it was first fetched; None where it never was.

        Raises ModelError where the record is damaged.
        """
        record = path.with_name(path.name + _SUM)
        if not record.exists():
            return None
        try:
            digest = read_small(record, 1024).decode("ascii").partition(" ")[0]
        except (OSError, UnicodeDecodeError):
            digest = ""
        if not _SHA256.fullmatch(digest):
            raise ModelError(
                record, "is no record of a checksum", f"remove it and {path.name}, and fetch it again"
            )
        return digest

    def present(self) -> list[Path]:
        """Return the weights that are there, sorted by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.with_name(path.name + _SUM).exists())


def checked_sha256(text: str) -> str:
    """Return a SHA-256 in lower case; raises UsageError for what is none."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise UsageError("--sha256", f"expected 64 hexadecimal digits, got {text!r}", "copy it whole")
    return digest


def found_weights(path: Path, store: WeightStore | None = None) -> Path:
    """Return `path`, or where there is no such file and it is a mere name, the fetched weights of that name.

    Raises InputError where they are published and were not fetched, ModelError where their checksum has changed.
    """
    if path.exists() or path.name != str(path):
        return path
    store = store or WeightStore()
    known = published(path.name)
    kept = store.folder / (known.file if known else path.name)
    expected = store.recorded(kept)
    if kept.is_file() and expected is not None:
        if sha256_of(kept) != expected:
            raise ModelError(
                kept, "is not what was fetched: its SHA-256 has changed", "remove it and fetch it again"
            )
        return kept
    if known is not None:
        raise InputError(path, "is not there", f"run: pptsn weights fetch {known.name}")
    return path
