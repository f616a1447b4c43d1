"""Results as rows of text, and back: a JSON object, or a row of CSV."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pptsn.runtime.base.errors import UsageError, spelled_json
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.lines import columns_of
from pptsn.runtime.classify.origin import Stamp, Terms
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.told import ChangedRowError, require_told
from pptsn.runtime.pages.spreadsheets import BYTE_ORDER_MARK, csv_row, rank_columns, ranked

_CSV_COLUMNS = ("source", "class_id", "label", "score", "margin")
_CSV_REST = (
    *("truth", "right"),
    *("frames", "duration_s", "segments", "views", "sampling", "resize_rule", "lost_frames", "warnings"),
    *("decode_ms", "inference_ms", "total_ms", "file_bytes", "modified", "model", "accept_damaged", "error"),
)
# Digests that a spreadsheet would take for numbers, and spoil; after an apostrophe they are text.
_LIKE_A_NUMBER = re.compile(r"[0-9]+(e[0-9]+)?")
_DIGEST = re.compile(r"'?([0-9a-f]*)")
_CORRECT = "correct it, or take it out to have it made anew"
# What spreadsheets of some countries, and other programs, put between columns.
_OTHER_COMMAS = {";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class Row:
    """What a row says of itself.

    source: as this kind of file has it.  terms, score, margin: of an answer, None of a failure.
    stamp: of the source when it was answered; None where nothing told it.
    truth: the label of its class, as this kind of file has it; None for a source without.
    """

    source: str
    terms: Terms | None = None
    stamp: Stamp | None = None
    score: float | None = None
    margin: float | None = None
    truth: str | None = None


class Rows(Protocol):
    """One way to write results, a line each.  header: the line before the first one, or ""."""

    header: str

    def __init__(self, *, top: int) -> None: ...

    def line(self, result: Classification | Failure) -> str:
        """Return the row of `result`, without its end."""
        ...

    @staticmethod
    def name(source: str) -> str:
        """Return how `source` is called in a row."""
        ...

    @staticmethod
    def reader(lines: Iterator[bytes]) -> tuple[bytes, Callable[[str], Row]]:
        """Take the header from `lines`; return it, and what reads a row; it raises ValueError for none."""
        ...


class JsonRows:
    """A JSON object a result."""

    header = ""

    def __init__(self, *, top: int) -> None:
        self._top = top

    def line(self, result: Classification | Failure) -> str:
        """Return the row of `result`, without its end."""
        return spelled_json(json.dumps(result.to_dict(top=self._top), ensure_ascii=False))

    @staticmethod
    def name(source: str) -> str:
        """Return how `source` is called in a row."""
        return printable(source)

    @staticmethod
    def reader(lines: Iterator[bytes]) -> tuple[bytes, Callable[[str], Row]]:
        """Return no header, and what reads a row."""
        return b"", _json_row


class CsvRows:
    """A row of CSV a result, below a header.

    `margin` is the score less that of the second class, between 0 and 1.  The classes behind the leading one
    follow in `label_2`, `score_2` ... up to `top`.  A failure has its source and its `error`.
    Of a source with a label, `truth` is that class, and `right` 1 or 0.
    """

    def __init__(self, *, top: int) -> None:
        self._columns = (*_CSV_COLUMNS, *rank_columns(top), *_CSV_REST)
        self._top = top
        self.header = BYTE_ORDER_MARK + csv_row(self._columns)

    def line(self, result: Classification | Failure) -> str:
        """Return the row of `result`, without its end."""
        fields = dict(result.to_dict(top=self._top))
        if result.truth is not None:
            fields["truth"] = result.truth.label
        if isinstance(result, Classification):
            fields.update(ranked(fields["top"]), **_flat(result))
        return csv_row(fields.get(column) for column in self._columns)

    @staticmethod
    def name(source: str) -> str:
        """Return how `source` is called in a row."""
        (name,) = next(csv.reader([csv_row([source])]))
        return name

    @staticmethod
    def reader(lines: Iterator[bytes]) -> tuple[bytes, Callable[[str], Row]]:
        """Take the header from `lines`; return it, and what reads a row.

        Raises ChangedRowError for one in another encoding, or with something else than commas.
        """
        header = next(lines, b"")
        if header.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ChangedRowError("is in UTF-16, expected UTF-8")
        columns = columns_of(header)
        for mark, name in _OTHER_COMMAS.items():
            if len(columns) == 1 and mark in columns[0]:
                raise ChangedRowError(f"has {name} between its columns, expected commas")
        return header, lambda line: _csv_row(columns, line)


def _flat(result: Classification) -> dict[str, object]:
    times = {f"{name}_ms": time for name, time in result.timing.to_dict().items()}
    model = result.origin.model if result.origin else None
    if model is not None and _LIKE_A_NUMBER.fullmatch(model):
        model = f"'{model}"
    return {
        **times,
        "warnings": "; ".join(result.warnings),
        "lost_frames": result.lost_frames,
        "model": model,
    }


def _json_row(line: str) -> Row:
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("no object")
    top = fields.get("top") or [{}]
    truth = fields.get("truth") or {}
    own = {"top": len(top), "score": top[0].get("score"), "evidence": fields.get("evidence") is not None}
    row = _row({**fields, **own, "truth": truth.get("label")})
    require_told(fields)
    return row


def _csv_row(columns: list[str], line: str) -> Row:
    (cells,) = csv.reader([line], strict=True)
    fields: dict[str, Any] = {name: cell or None for name, cell in zip(columns, cells, strict=True)}
    if not any(fields.values()):
        raise ChangedRowError("it is empty")
    if fields.get("model") is not None:
        digest = _DIGEST.fullmatch(fields["model"])
        if digest is None:
            raise ChangedRowError(f"its model is {fields['model']}, as if a spreadsheet had made a number of it")
        fields["model"] = digest[1]
    labels = [name for name in columns if name == "label" or name.startswith("label_")]
    return _row({**fields, "top": len(labels), "evidence": None})


def _row(fields: Mapping[str, Any]) -> Row:
    """Return the row with these fields; msgspec's errors are ValueErrors."""
    if fields.get("error") is not None:
        return Row(msgspec.convert(fields["source"], str))
    terms = msgspec.convert(fields, Terms, strict=False)
    stamp = None if fields["file_bytes"] is None else msgspec.convert(fields, Stamp, strict=False)
    read = msgspec.convert({**fields, "terms": None, "stamp": None, "truth": None}, Row, strict=False)
    # A class may be called as JSON calls nothing.
    truth = msgspec.convert(fields.get("truth"), str | None)
    return Row(read.source, terms, stamp, read.score, read.margin, truth)


def whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, ends included, but no last one that is cut short; none where there is no file.

    A pipe, of which reading might never end, is none.
    Raises UsageError where lines end by carriage returns alone: all of them would be one that is cut short.
    """
    if not path.is_file():
        return
    with open(path, "rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield line
            elif b"\r" in line[:-1]:
                remedy = "save it with line feeds, or leave --resume out to begin anew"
                raise UsageError(path, "has lines that end by carriage returns alone, as old Macs'", remedy)


def read_rows(lines: Iterable[bytes], kind: type[Rows], path: Path) -> Iterator[tuple[bytes, Row | None]]:
    """Yield each line with its row; that of a header, if there is one, with None.

    Raises UsageError, naming `path`, for what is no row of this release.
    """
    iterator = iter(lines)
    try:
        header, read = kind.reader(iterator)
    except ChangedRowError as error:
        remedy = "save it as CSV with commas in UTF-8, or leave --resume out to begin anew"
        raise UsageError(path, str(error), remedy) from error
    if header:
        yield header, None
    for number, line in enumerate(iterator, 1 + bool(header)):
        if not line.strip():
            raise UsageError(f"{path}:{number}", "is an empty line, which is no row", "take it out")
        try:
            row = read(line.decode("utf-8"))
        except ChangedRowError as error:
            cause = f"is no row as `pptsn classify` writes them ({error})"
            raise UsageError(f"{path}:{number}", cause, _CORRECT) from error
        except (ValueError, KeyError, AttributeError, TypeError, csv.Error) as error:
            cause = "does not say which model and settings answered, as rows of this release do"
            remedy = "name another file, or leave --resume out to begin anew"
            raise UsageError(f"{path}:{number}", cause, remedy) from error
        yield line, row
