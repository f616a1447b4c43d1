"""Results as lines, each in its place at once: JSON, CSV, and fields between tabs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.errors import one_line, spelled, spelled_json
from pptsn.runtime.base.lines import LineFile, LineOutput, StandardOutput
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.base import opened, write_line
from pptsn.runtime.pages.spreadsheets import BYTE_ORDER_MARK, csv_row, rank_columns, ranked

_CSV_COLUMNS = ("source", "class_id", "label", "score", "margin")
_CSV_REST = (
    *("frames", "duration_s", "segments", "views", "sampling", "resize_rule", "lost_frames", "warnings"),
    *("decode_ms", "inference_ms", "total_ms", "error"),
)


class JsonLines:
    """Writes one JSON object a result."""

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._top = top

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int) -> Iterator[JsonLines]:
        """Yield a sink that writes to `path` (`-`: standard output).

        The first result replaces what the file held.  However the program ends, the results until then are there.
        """
        with opened(StandardOutput() if path == "-" else LineFile(Path(path), anew=True)) as output:
            yield cls(output, top=top)

    def write(self, result: Classification | Failure) -> None:
        """Write one line."""
        fields = result.to_dict(top=self._top)
        write_line(self._output, spelled_json(json.dumps(fields, ensure_ascii=False)))


class CsvLines:
    """Writes one row a result, below a header.

    `margin` is the score less that of the second class, between 0 and 1.  The classes behind the leading one
    follow in `label_2`, `score_2` ... up to `top`.  A failure has its source and its `error`.
    """

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._columns = _csv_columns(top)
        self._top = top

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int) -> Iterator[CsvLines]:
        """Yield a sink that writes to `path`; what holds for `JsonLines.open` holds for it."""
        header = BYTE_ORDER_MARK + csv_row(_csv_columns(top))
        with opened(LineFile(Path(path), anew=True, header=header)) as output:
            yield cls(output, top=top)

    def write(self, result: Classification | Failure) -> None:
        """Write one row."""
        fields = dict(result.to_dict(top=self._top))
        if isinstance(result, Classification):
            fields.update(ranked(fields["top"]), **_flat(result))
        write_line(self._output, csv_row(fields.get(column) for column in self._columns))


def _csv_columns(top: int) -> tuple[str, ...]:
    return (*_CSV_COLUMNS, *rank_columns(top), *_CSV_REST)


def _flat(result: Classification) -> dict[str, object]:
    times = {f"{name}_ms": time for name, time in result.timing.to_dict().items()}
    told = {"warnings": "; ".join(result.warnings), "lost_frames": result.lost_frames}
    return {"margin": round(result.margin, 6), **times, **told}


class TabbedLines:
    """Writes tab-separated lines, for pipes: source, class number, label and score, a line a leading class.

    Of a source with warnings these are a fifth field.
    """

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._top = top

    def write(self, result: Classification | Failure) -> None:
        """Write the leading classes of one source, all at once."""
        if isinstance(result, Classification):
            name = spelled(result.source)
            warned = f"\t{one_line('; '.join(result.warnings))}" if result.warnings else ""
            rows = (
                f"{name}\t{p.class_id}\t{spelled(p.label)}\t{p.score:.6f}{warned}" for p in result.top(self._top)
            )
            write_line(self._output, "\n".join(rows))
