"""Reports as JSON files: written whole, and read with every field checked.

docs/benchmarks.md describes the document; `report.schema.json` beside this module is the same as a JSON Schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.benchmarks.measure.results import SCHEMA, SECTIONS, VERSION, Measurement, Report, Result
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import write_text
from pptsn.runtime.classify.results import printable

_AGAIN = "write it again with `pptsn bench`"
_BETTER = ("lower", "higher", "")


def write_report(report: Report, path: str | Path) -> None:
    """Write `report` to `path` as JSON; a crash leaves the old file or none.

    JSON knows no infinity and no NaN: such a value becomes null, with a note, and such a repeat is left out.
    Raises InputError where the place cannot be written.
    """
    write_text(path, json.dumps(report_document(report), ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def report_document(report: Report) -> dict[str, Any]:
    """Return `report` as an object of plain JSON values, all of them finite."""
    results = [without_nan(result).to_dict() for result in report.results]
    document: dict[str, Any] = plain({**report.to_dict(), "results": results})
    return document


def without_nan(result: Result) -> Result:
    """Return `result` with None, and a note, for each value that is NaN or infinite."""
    return replace(result, measurements=tuple(map(_finite, result.measurements)))


def plain(value: Any) -> Any:
    """Return `value` with nothing in it but what JSON can hold: NaN and infinity are None, the unknown is text."""
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return printable(str(value))


def read_report(path: str | Path) -> Report:
    """Return the report in the file `path`.

    Raises InputError where it cannot be read, is no JSON (or cut short), no report, or of another version.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=_finite_number, parse_float=_finite_number)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the name") from error
    except (ValueError, RecursionError) as error:
        cause = f"is no JSON, or was cut short ({error})"
        raise InputError(path, cause, f"expected a report, {_AGAIN}") from error
    try:
        return _report_of(document)
    except _DocumentError as wrong:
        raise InputError(path, str(wrong), wrong.remedy) from None


class _DocumentError(Exception):
    """What is wrong with a document, and what to do."""

    def __init__(self, cause: str, remedy: str = _AGAIN) -> None:
        super().__init__(cause)
        self.remedy = remedy


def _finite_number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number of JSON's")
    return number


def _finite(measurement: Measurement) -> Measurement:
    """Return `measurement` without values that are no numbers; one without a value has no interval either."""
    value, low, high = (_finite_or_none(v) for v in (measurement.value, measurement.low, measurement.high))
    repeats = tuple(repeat for repeat in measurement.repeats if math.isfinite(repeat))
    note = measurement.note
    if value is None and measurement.value is not None:
        low = high = None
        note = "; ".join(filter(None, (note, f"came out as {float(measurement.value)}, which is no figure")))
    return replace(measurement, value=value, low=low, high=high, repeats=repeats, note=note)


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _report_of(document: Any) -> Report:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _DocumentError(
            f'is no report of `pptsn bench` (expected "schema": "{SCHEMA}")', "name a file it wrote"
        )
    version = document.get("version")
    if version != VERSION:
        remedy = "use the version of pptsn that wrote it, or measure again"
        raise _DocumentError(f"is a report of version {version!r}, this program reads version {VERSION}", remedy)
    at = _At(document, "the report")
    return Report(
        created=at.text("created"),
        command=at.text("command"),
        machine=at.mapping("machine"),
        noise=at.mapping("noise"),
        results=tuple(
            _result_of(_At(fields, f"results[{index}]")) for index, fields in enumerate(at.sequence("results"))
        ),
    )


def _result_of(at: _At) -> Result:
    settings = at.mapping("settings")
    for name, value in settings.items():
        if not isinstance(value, (str, int, float, bool, type(None))):
            raise _DocumentError(f"{at.place}.settings.{name} is not text, a number, true, false or null")
    return Result(
        section=at.one_of("section", SECTIONS),
        settings=settings,
        measurements=tuple(
            _measurement_of(_At(fields, f"{at.place}.measurements[{index}]"))
            for index, fields in enumerate(at.sequence("measurements"))
        ),
        facts=at.mapping("facts"),
        sentence=at.text("sentence"),
        error=at.text("error"),
    )


def _measurement_of(at: _At) -> Measurement:
    repeats = at.sequence("repeats")
    if not all(_is_number(repeat) for repeat in repeats):
        raise _DocumentError(f"{at.place}.repeats holds something that is no number")
    return Measurement(
        name=at.text("name"),
        unit=at.text("unit"),
        better=at.one_of("better", _BETTER),
        value=at.number_or_none("value"),
        low=at.number_or_none("low"),
        high=at.number_or_none("high"),
        repeats=tuple(repeats),
        samples=at.count("samples"),
        note=at.text("note"),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


class _At:
    """The object at one place of a document, read field by field; raises _DocumentError for what does not fit."""

    def __init__(self, fields: Any, place: str) -> None:
        if not isinstance(fields, dict):
            raise _DocumentError(f"{place} is no object")
        self._fields = fields
        self.place = place

    def text(self, name: str) -> str:
        value = self._field(name)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._field(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return value

    def sequence(self, name: str) -> list[Any]:
        value = self._field(name)
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def number(self, name: str) -> float:
        value = self._field(name)
        if not _is_number(value):
            raise self._wrong(name, "a number")
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        return None if self._field(name) is None else self.number(name)

    def count(self, name: str) -> int:
        value = self.number(name)
        if value < 0 or value != int(value):
            raise self._wrong(name, "a whole number from 0")
        return int(value)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in choices:
            raise self._wrong(name, " or ".join(map(repr, choices)))
        return value

    def _field(self, name: str) -> Any:
        if name not in self._fields:
            raise _DocumentError(f"{self.place} has no `{name}`")
        return self._fields[name]

    def _wrong(self, name: str, expected: str) -> _DocumentError:
        return _DocumentError(f"`{name}` of {self.place} is {self._fields[name]!r}, expected {expected}")
