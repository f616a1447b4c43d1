"""Outputs opened by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from pptsn.runtime.classify.sinks.base import ResultSink
from pptsn.runtime.classify.sinks.document import JsonDocument
from pptsn.runtime.classify.sinks.lines import CsvLines, JsonLines
from pptsn.runtime.classify.sinks.names import CSV, JSON, JSON_LINES, STANDARD_OUTPUT, ending_of

_KINDS: Mapping[str, Callable[..., AbstractContextManager[ResultSink]]] = {
    JSON_LINES: JsonLines.open,
    CSV: CsvLines.open,
    JSON: JsonDocument.open,
}


def open_output(name: str, *, top: int) -> AbstractContextManager[ResultSink]:
    """Return what opens the output `name`, one of `output_names`, for results with their `top` leading classes.

    Raises InputError where it cannot be written, UsageError where another program writes it.
    """
    kind = JsonLines.open if name == STANDARD_OUTPUT else _KINDS[ending_of(name)]
    return kind(name, top=top)
