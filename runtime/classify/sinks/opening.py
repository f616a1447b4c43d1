"""Outputs opened by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from pptsn.runtime.classify.sinks.arranging import AS_THEY_COME, Arrangement
from pptsn.runtime.classify.sinks.base import ResultSink
from pptsn.runtime.classify.sinks.document import Document, JsonDocument, journal_of
from pptsn.runtime.classify.sinks.lines import CsvLines, JsonLines, RowLines
from pptsn.runtime.classify.sinks.names import CSV, JSON, JSON_LINES, PARQUET, STANDARD_OUTPUT, ending_of
from pptsn.runtime.classify.sinks.parquet import ParquetDocument
from pptsn.runtime.classify.sinks.rows import Rows, whole_lines

_LINES: Mapping[str, type[RowLines]] = {JSON_LINES: JsonLines, CSV: CsvLines}
_DOCUMENTS: Mapping[str, type[Document]] = {JSON: JsonDocument, PARQUET: ParquetDocument}


def open_output(
    name: str, *, top: int, arrangement: Arrangement = AS_THEY_COME
) -> AbstractContextManager[ResultSink]:
    """Return what opens the output `name`, one of `output_names`, for results with their `top` leading classes.

    arrangement: how its rows stand in the end; printed lines stand as they come.
    Raises InputError where it cannot be written, UsageError where another program writes it.
    """
    ending = JSON_LINES if name == STANDARD_OUTPUT else ending_of(name)
    kind = _LINES.get(ending) or _DOCUMENTS[ending]
    return kind.open(name, top=top, arrangement=arrangement)


def files_of(name: str) -> list[str]:
    """Return the files that the output `name` is written to: itself and, where it is a document, its journal."""
    return [name, *([str(journal_of(name))] if ending_of(name) in _DOCUMENTS else [])]


def rows_left_in(name: str) -> tuple[type[Rows], Iterable[bytes]]:
    """Return the lines that earlier runs have left of the file `name`, or of its journal, and what they are.

    Raises UsageError for a document that is none of ours, OSError for one that cannot be read.
    """
    if lines := _LINES.get(ending_of(name)):
        return lines.kind, whole_lines(Path(name))
    return JsonLines.kind, _DOCUMENTS[ending_of(name)].rows_before(name)
