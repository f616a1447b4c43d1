"""CSV: one table of predictions, events and notices, for a spreadsheet."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.lines import DEFAULT_KEEP, LineFile
from pptsn.runtime.pages.spreadsheets import BYTE_ORDER_MARK, csv_row, rank_columns, ranked
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, SinkKind
from pptsn.runtime.stream.sinks.line_output import FileOptions, rotation
from pptsn.runtime.stream.sinks.text import utc_text

_COMMON = ("type", "time", "stream", "source", "session", "number", "time_s", "class_id", "label", "score")
_OF_PREDICTIONS = ("window_s", "frames", "warming_up", "stale", "latency_ms")
_OF_EVENTS = ("phase", "end_time", "duration_s", "mean_score", "predictions")
_OF_NOTICES = ("state", "detail")


class CsvSink(Sink):
    """Appends a row a message to `path`; columns that a message has nothing for stay empty.

    So that one table can be sorted and filtered, all kinds share columns: `type` is prediction, event or notice;
    `time` is ISO 8601 in UTC; `time_s` the presentation time in seconds; `class_id`, `label` and `score` are those
    of the leading class, or of the event, whose score is its peak.  The classes behind the leading one follow in
    `label_2`, `score_2` ... up to `top`.  Times are numbers of seconds unless their column says `_ms`.

    rotate_bytes, keep: as in LineFile.  Each file begins with the header, once, however often it is appended to.
    """

    def __init__(self, path: Path, *, top: int, rotate_bytes: int | None = None, keep: int = DEFAULT_KEEP) -> None:
        self._top = top
        self._columns = (*_COMMON, *rank_columns(top), *_OF_PREDICTIONS, *_OF_EVENTS, *_OF_NOTICES)
        header = BYTE_ORDER_MARK + ",".join(self._columns)
        self._file = LineFile(path, rotate_bytes=rotate_bytes, keep=keep, header=header)
        self.name = self._file.name

    def open(self) -> None:
        """Open the file; raises PptsnError where it cannot be written or has other columns."""
        self._file.open()

    def write(self, message: Message) -> None:
        """Append one row."""
        fields = self._fields(message)
        self._file.write_line(csv_row(fields.get(column) for column in self._columns))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def _fields(self, message: Message) -> dict[str, object]:
        if isinstance(message, StreamPrediction):
            return _prediction_fields(message, self._top)
        if isinstance(message, ActionEvent):
            return _event_fields(message)
        return _notice_fields(message)


def _prediction_fields(message: StreamPrediction, top: int) -> dict[str, object]:
    fields = message.to_dict(top=top)
    fields.update(ranked(fields["top"]), time=utc_text(message.wall_time), latency_ms=fields["timing_ms"]["total"])
    return fields


def _event_fields(message: ActionEvent) -> dict[str, object]:
    fields = message.to_dict()
    fields.update(time=utc_text(message.start_wall_time), time_s=fields["start_s"], score=fields["peak_score"])
    if message.end_s is not None and message.end_wall_time is not None:
        fields.update(
            end_time=utc_text(message.end_wall_time), duration_s=round(message.end_s - message.start_s, 3)
        )
    return fields


def _notice_fields(message: StreamNotice) -> dict[str, object]:
    return {**message.to_dict(), "time": utc_text(message.wall_time)}


class CsvKind(SinkKind[FileOptions]):
    """A table in a file."""

    help = "a table for a spreadsheet"
    suffixes = (".csv",)
    options = FileOptions

    def make(self, address: Address, options: FileOptions, *, top: int) -> CsvSink:
        """Return a sink that appends to the file."""
        return CsvSink(Path(address.path), top=top, **rotation(address, options))
