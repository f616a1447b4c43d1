"""What is in a file of rows in the end, and in which order."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.base import ResultSink
from pptsn.runtime.classify.sinks.names import Sort
from pptsn.runtime.classify.sinks.rows import JsonRows, Row, Rows, read_rows, whole_lines


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How rows that came one by one are to stand in the end.

    resumes: whether rows that were there before belong to the file.  The last of each source then counts, and
        stands wherever `sources` name it; rows of other sources come first.
    sources: what was asked for, in its order.
    sort: by which figure, least first, failures last; None leaves the order.
    """

    resumes: bool = False
    sources: Sequence[str] = ()
    sort: Sort | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether rows stand as they came."""
        return not self.resumes and self.sort is None

    def arranged(self, rows: Sequence[Row], kind: type[Rows]) -> list[int]:
        """Return the numbers of those of `rows` that stay, in the order in which they are to stand."""
        numbers = self._counting(rows, kind) if self.resumes else list(range(len(rows)))
        if self.sort is not None:
            numbers.sort(key=lambda number: _figure(rows[number], self.sort))
        return numbers

    def _counting(self, rows: Sequence[Row], kind: type[Rows]) -> list[int]:
        last = {row.source: number for number, row in enumerate(rows)}
        asked = [kind.name(source) for source in self.sources]
        others = last.keys() - set(asked)
        first = [name for name in last if name in others]
        return [last[name] for name in (*first, *asked) if name in last]


AS_THEY_COME = Arrangement()


def _figure(row: Row, sort: Sort | None) -> tuple[bool, float]:
    figure = row.margin if sort is Sort.MARGIN else row.score
    return figure is None, figure or 0.0


@contextmanager
def sorted_at_the_end(sink: ResultSink, sort: Sort) -> Iterator[ResultSink]:
    """Yield what takes results for `sink`, which has them sorted when the block ends, whatever ends it."""
    held = _Held()
    try:
        yield held
    finally:
        rows = [_row_of(result) for result in held.results]
        for number in Arrangement(sort=sort).arranged(rows, JsonRows):
            sink.write(held.results[number])


class _Held:
    def __init__(self) -> None:
        self.results: list[Classification | Failure] = []

    def write(self, result: Classification | Failure) -> None:
        self.results.append(result.light if isinstance(result, Classification) else result)


def _row_of(result: Classification | Failure) -> Row:
    if isinstance(result, Failure):
        return Row(result.source)
    return Row(result.source, score=result.top(1)[0].score, margin=result.margin)


def arranged_lines(path: Path, kind: type[Rows], arrangement: Arrangement) -> Iterator[bytes]:
    """Yield the lines of the file at `path`, its header first, as they are to stand, without all in memory."""
    if arrangement.changes_nothing:
        yield from whole_lines(path)
        return
    rows: list[Row] = []
    places: list[tuple[int, int]] = []
    place = 0
    for line, row in read_rows(whole_lines(path), kind, path):
        if row is None:
            yield line
        else:
            rows.append(row)
            places.append((place, len(line)))
        place += len(line)
    with open(path, "rb") as stream:
        for number in arrangement.arranged(rows, kind):
            start, length = places[number]
            stream.seek(start)
            yield stream.read(length)


def arrange(path: Path, kind: type[Rows], arrangement: Arrangement) -> None:
    """Have the lines of the file at `path` stand so; raises InputError where they stay as they came."""
    try:
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            file.writelines(arranged_lines(path, kind, arrangement))
            shutil.copymode(path, temporary)
    except InputError as error:
        remedy = "its rows are all there, as they came; once it can be, classify again with --resume"
        raise InputError(path, error.cause, remedy) from error
