"""Results as one JSON document, made at the end of a journal of lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file, require_writable
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.lines import JsonLines


class JsonDocument:
    """Writes an array of JSON, one object a result.

    Until the end the results lie in a journal beside it, `NAME.jsonl`, a line each: where the program is killed,
    or the disk is full, that stays.
    """

    def __init__(self, journal: JsonLines) -> None:
        self._journal = journal
        self._has_begun = False

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int) -> Iterator[JsonDocument]:
        """Yield a sink whose results are in the file `path` after the block, whatever ends it.

        A block without results leaves the file as it was, and the journal of a run that was killed.
        """
        document, journal = Path(path), Path(f"{path}.jsonl")
        # To the end nobody else may have the journal, which goes then.
        with JsonLines.open(str(journal), top=top) as lines:
            require_writable(document)
            sink = cls(lines)
            try:
                yield sink
            finally:
                if sink._has_begun and journal.stat().st_size:
                    _gather(journal, document)

    def write(self, result: Classification | Failure) -> None:
        """Write one line of the journal."""
        self._has_begun = True  # before a signal can come between
        self._journal.write(result)


def _gather(journal: Path, document: Path) -> None:
    """Make the document of the journal, which then goes; raises InputError where it stays in place of it."""
    try:
        with atomic_file(document) as temporary, temporary.open("w", encoding="utf-8") as file:
            mark = "["
            with journal.open(encoding="utf-8") as lines:
                for line in lines:
                    file.write(f"{mark}\n{line.rstrip()}")
                    mark = ","
            file.write("\n]\n")
    except InputError as error:
        raise InputError(document, error.cause, f"its results are in {journal}, a line each") from error
    journal.unlink()
