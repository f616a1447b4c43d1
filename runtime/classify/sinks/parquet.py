"""Results as one Parquet file, made at the end of a journal of lines; the one file that loads PyArrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command, spelled_json
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.lines import printable_bytes
from pptsn.runtime.classify.origin import MOMENT
from pptsn.runtime.classify.sinks.document import Document

# Rows that are in memory at once.
_ROWS = 1000
# Of JSON's objects, the leading class and the times have columns of their own; the first is in `top`, too.
_OF_LEADING = ("class_id", "label", "score")
_TIMES = ("decode", "inference", "total")
# What JSON has of sources alone with which something was odd, and its value of all others.
_OF_WARNED = {"lost_frames": 0, "warnings": []}
# What it has of sources with a label alone.
_OF_LABELLED = ("truth", "right")


class ParquetDocument(Document):
    """Writes a table with typed columns, a row a result.

    The columns are those of a table for spreadsheets, but that all leading classes are in `top`, what there is of
    evidence in `evidence`, and that `truth` has the number of the class, too.
    """

    @staticmethod
    def _make(lines: Iterable[bytes], document: Path) -> None:
        arrow, parquet = _pyarrow()
        schema = _schema(arrow)
        rows = map(_columns, lines)
        with document.open("wb") as file, parquet.ParquetWriter(file, schema) as writer:
            while some := list(islice(rows, _ROWS)):
                writer.write_batch(arrow.RecordBatch.from_pylist(some, schema=schema))

    @staticmethod
    def _lines_of(document: Path) -> Iterator[bytes]:
        arrow, parquet = _pyarrow()
        with document.open("rb") as file:
            table = parquet.ParquetFile(file)
            if table.schema_arrow.names != _schema(arrow).names:
                raise ValueError("its columns are others")
            for batch in table.iter_batches(_ROWS):
                yield from map(_line, batch.to_pylist())


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        need = f"a .parquet file needs it ({error})"
        raise MissingDependencyError("pyarrow", need, f"run: {install_command('parquet')}") from error
    return pyarrow, parquet


def _schema(arrow: Any) -> Any:
    whole, text, number = arrow.int64(), arrow.string(), arrow.float64()
    named = [("class_id", arrow.int32()), ("label", text)]
    leading = [*named, ("score", number)]
    frame = arrow.struct([("frame", whole), ("time_s", number), ("part", number)])
    crop = arrow.struct([("crop", text), ("part", number)])
    evidence = [*named, ("logit", number)]
    return arrow.schema(
        [
            ("source", text),
            *leading,
            ("margin", number),
            ("top", arrow.list_(arrow.struct(leading))),
            *(("truth", arrow.struct(named)), ("right", arrow.bool_())),
            *(("frames", whole), ("duration_s", number), ("segments", whole), ("views", text)),
            *(("sampling", text), ("resize_rule", text), ("lost_frames", whole), ("warnings", arrow.list_(text))),
            *((f"{name}_ms", number) for name in _TIMES),
            *(("file_bytes", whole), ("modified", arrow.timestamp("us", tz="UTC")), ("model", text)),
            ("accept_damaged", arrow.bool_()),
            ("evidence", arrow.struct([*evidence, ("frames", arrow.list_(frame)), ("crops", arrow.list_(crop))])),
            ("error", text),
        ]
    )


def _columns(line: bytes) -> Mapping[str, Any]:
    """Return the columns of a row of the journal; those of a failure are as few as its fields."""
    # Other programs that write rows anew may spell out what there is not.
    fields = {name: value for name, value in _told(json.loads(line)).items() if value is not None}
    if "error" in fields:
        return fields
    times = {f"{name}_ms": fields["timing_ms"][name] for name in _TIMES}
    if fields.get("modified") is not None:
        fields["modified"] = datetime.strptime(fields["modified"], MOMENT).replace(tzinfo=timezone.utc)
    return {**_OF_WARNED, **fields, **fields["top"][0], **times}


def _line(columns: dict[str, Any]) -> bytes:
    """Return the row of the journal that has these columns."""
    labelled = {name: columns[name] for name in _OF_LABELLED if columns[name] is not None}
    if columns["error"] is not None:
        fields = {"source": columns["source"], **labelled, "error": columns["error"]}
    else:
        times = {name: columns[f"{name}_ms"] for name in _TIMES}
        apart = {*_OF_LEADING, *(f"{name}_ms" for name in _TIMES), "error", *_OF_LABELLED} - labelled.keys()
        apart |= {"evidence"} if columns["evidence"] is None else set()
        apart |= set() if columns["warnings"] else _OF_WARNED.keys()
        fields = {name: value for name, value in columns.items() if name not in apart} | {"timing_ms": times}
        if columns["modified"] is not None:
            fields["modified"] = columns["modified"].strftime(MOMENT)
    return printable_bytes(spelled_json(json.dumps(fields, ensure_ascii=False)))


def _told(value: Any) -> Any:
    """Return a value of JSON without what is no text in UTF-8, such as bytes of a name in a warning."""
    if isinstance(value, dict):
        return {key: _told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_told(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value
