"""Results as one document, made at the end of a journal of lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import atomic_file, require_writable
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.arranging import AS_THEY_COME, Arrangement, arranged_lines
from pptsn.runtime.classify.sinks.lines import JsonLines, RowLines
from pptsn.runtime.classify.sinks.rows import whole_lines


class Document(ABC):
    """Writes a document of all results.

    Until the end the results lie in a journal beside it, `NAME.jsonl`, a line each: where the program is killed,
    or the disk is full, that stays.
    """

    def __init__(self, journal: RowLines) -> None:
        self._journal = journal

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int, arrangement: Arrangement = AS_THEY_COME) -> Iterator[Document]:
        """Yield a sink whose results are in the file `path` after the block, whatever ends it.

        A block without results leaves the file as it was, and the journal of a run that was killed, unless the
        arrangement resumes them: then both are one document in the end.
        """
        document, journal = Path(path), journal_of(path)
        # To the end nobody else may have the journal, which goes then.
        with JsonLines.appending(str(journal), top=top, resumes=arrangement.resumes) as lines:
            require_writable(document)
            if arrangement.resumes and not journal.stat().st_size and (rows := cls.rows_before(path)):
                _refill(journal, rows)
            sink = cls(lines)
            try:
                yield sink
            finally:
                if lines.holds_rows(journal):
                    sink._gather(journal, document, arrangement)

    def write(self, result: Classification | Failure) -> None:
        """Write one line of the journal."""
        self._journal.write(result)

    @classmethod
    def rows_before(cls, path: str) -> list[bytes]:
        """Return what earlier runs have left of the document at `path`, as lines of a journal.

        Raises UsageError for a document that is none of ours, OSError for one that cannot be read.
        """
        if lines := list(whole_lines(journal_of(path))):
            return lines
        if not Path(path).is_file():
            return []
        try:
            return list(cls._lines_of(Path(path)))
        except ValueError as error:
            cause = f"is no document of `pptsn classify` ({error})"
            raise UsageError(path, cause, "name another file, or leave --resume out") from error

    def _gather(self, journal: Path, document: Path, arrangement: Arrangement) -> None:
        """Make the document of the journal, which then goes; raises InputError where it stays in place of it."""
        try:
            with atomic_file(document) as temporary:
                self._make(arranged_lines(journal, JsonLines.kind, arrangement), temporary)
        except InputError as error:
            raise InputError(document, error.cause, f"its results are in {journal}, a line each") from error
        journal.unlink()

    @staticmethod
    @abstractmethod
    def _make(lines: Iterable[bytes], document: Path) -> None:
        """Write the document of the journal's `lines`; raises OSError where that failed."""

    @staticmethod
    @abstractmethod
    def _lines_of(document: Path) -> Iterable[bytes]:
        """Return the journal's lines that `document` was made of; raises ValueError for anything else."""


class JsonDocument(Document):
    """Writes an array of JSON, one object a result."""

    @staticmethod
    def _make(lines: Iterable[bytes], document: Path) -> None:
        with document.open("wb") as file:
            mark = b"["
            for line in lines:
                file.write(mark + b"\n" + line.rstrip())
                mark = b","
            file.write(b"\n]\n")

    @staticmethod
    def _lines_of(document: Path) -> Iterable[bytes]:
        objects = msgspec.json.decode(document.read_bytes(), type=list[msgspec.Raw])
        # One that another program has written anew may have lines within.
        texts = map(bytes, objects)
        return [msgspec.json.format(text, indent=0) if b"\n" in text else text for text in texts]


def journal_of(path: str) -> Path:
    """Return where the lines lie until the document at `path` is made."""
    return Path(f"{path}.jsonl")


def _refill(journal: Path, lines: Iterable[bytes]) -> None:
    """Have the journal begin with `lines`: at once, so that a kill loses nothing of what they are taken from."""
    with atomic_file(journal) as temporary, temporary.open("wb") as file:
        file.writelines(line.rstrip() + b"\n" for line in lines)
