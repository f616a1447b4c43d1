"""Results as lines, each in its place at once: JSON, CSV, and fields between tabs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pptsn.runtime.base.errors import InputError, one_line, spelled
from pptsn.runtime.base.files import require_writable
from pptsn.runtime.base.lines import LineFile, LineOutput, StandardOutput
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.arranging import AS_THEY_COME, Arrangement, arrange
from pptsn.runtime.classify.sinks.base import opened, verdict_of, write_line
from pptsn.runtime.classify.sinks.names import STANDARD_OUTPUT
from pptsn.runtime.classify.sinks.rows import CsvRows, JsonRows, Rows


class RowLines:
    """Writes a row a result; what it looks like is said by its `kind`."""

    kind: ClassVar[type[Rows]]

    def __init__(self, output: LineOutput, *, top: int, resumes: bool = False) -> None:
        self._output = output
        self._rows = self.kind(top=top)
        self._has_begun = resumes

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int, arrangement: Arrangement = AS_THEY_COME) -> Iterator[RowLines]:
        """Yield a sink that writes to `path` (`-`: standard output).

        The first result replaces what the file held, unless the arrangement resumes it: then each comes behind
        what is there.  However the program ends, the results until then are there; where it ends in order, they
        are arranged.  Raises InputError, then, where somebody has taken the file away meanwhile.
        """
        is_file = path != STANDARD_OUTPUT
        arranges = is_file and not arrangement.changes_nothing
        with cls.appending(path, top=top, resumes=arrangement.resumes) as sink:
            if arranges:  # which makes it anew, beside itself
                require_writable(Path(path))
            try:
                yield sink
            finally:
                if is_file and sink.holds_rows(Path(path)) and arranges:
                    arrange(Path(path), cls.kind, arrangement)

    @classmethod
    @contextmanager
    def appending(cls, path: str, *, top: int, resumes: bool) -> Iterator[RowLines]:
        """Yield a sink for `path` as `open` does, which leaves its rows as they come."""
        header = cls.kind(top=top).header
        file = LineFile(Path(path), anew=not resumes, whole=resumes, header=header)
        with opened(StandardOutput() if path == STANDARD_OUTPUT else file) as output:
            yield cls(output, top=top, resumes=resumes)

    def holds_rows(self, path: Path) -> bool:
        """Whether the file at `path`, which it writes, has rows of its own or of the run that it resumes.

        Raises InputError where somebody has taken it away meanwhile.
        """
        try:
            return self._has_begun and path.stat().st_size > 0
        except FileNotFoundError as error:
            cause = "was moved or removed while results were written to it"
            raise InputError(path, cause, "classify again, and leave it where it is") from error

    def write(self, result: Classification | Failure) -> None:
        """Write one row."""
        line = self._rows.line(result)
        self._has_begun = True  # before a signal can come between
        write_line(self._output, line)


class JsonLines(RowLines):
    """Writes one JSON object a result."""

    kind = JsonRows


class CsvLines(RowLines):
    """Writes one row a result, below a header; see `CsvRows`."""

    kind = CsvRows


class TabbedLines:
    """Writes tab-separated lines, for pipes: source, class number, label and score, a line a leading class.

    Of a source with warnings these are a fifth field; of one with a label, `right` or `wrong` is the sixth.
    Before the first come the names of the fields.
    """

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._top = top
        self._has_header = False

    def write(self, result: Classification | Failure) -> None:
        """Write the leading classes of one source, all at once."""
        if isinstance(result, Classification):
            name = spelled(result.source)
            said = [one_line("; ".join(result.warnings)), verdict_of(result)]
            while said and not said[-1]:
                said.pop()
            rest = "".join(f"\t{text}" for text in said)
            rows = (
                f"{name}\t{p.class_id}\t{spelled(p.label)}\t{p.score:.6f}{rest}" for p in result.top(self._top)
            )
            write_line(self._output, "\n".join(rows if self._has_header else (_header_for(result), *rows)))
            self._has_header = True


def _header_for(first: Classification) -> str:
    """Return the names of the fields of lines of which those of `first` come first."""
    names = ("source", "class_id", "label", "score", "warnings", *(["verdict"] if first.truth else []))
    return "\t".join(names)
