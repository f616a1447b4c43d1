"""Reports as JSON files: written whole, and read with every field checked.

docs/benchmarks.md describes the document; `benchmarks/report.schema.json` is the same as a JSON Schema, made by

    python -m pptsn.benchmarks.measure.documents > benchmarks/report.schema.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec
import numpy as np

from pptsn.benchmarks.measure.results import SCHEMA, VERSION, Measurement, Report, Result
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import printable, read_small, write_text

_MOST_BYTES = 256_000_000
_AGAIN = "write it again with `pptsn bench`"


def write_report(report: Report, path: str | Path) -> None:
    """Write `report` to `path` as JSON; a crash leaves the old file or none.

    JSON knows no infinity and no NaN: such a value becomes null, with a note, and such a repeat is left out.
    Raises InputError where it cannot be written.
    """
    write_text(path, json_text(report_document(report)))


def json_text(document: Any) -> str:
    """Return `document` as the text of a file; raises ValueError for NaN and infinity in it."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def report_document(report: Report) -> dict[str, Any]:
    """Return `report` as an object of plain JSON values, all of them finite."""
    finite = replace(report, results=tuple(map(without_nan, report.results)))
    document: dict[str, Any] = plain({"schema": SCHEMA, "version": VERSION, **asdict(finite)})
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


def _strict(cls: type, **types: Any) -> type[msgspec.Struct]:
    """Return the type of `cls` in documents, where every field is there; `types`: of fields that have others."""
    hints = {field.name: get_type_hints(cls, include_extras=True)[field.name] for field in fields(cls)}
    return msgspec.defstruct(cls.__name__, list({**types, **hints, **types}.items()))


_Measurement: Any = _strict(Measurement)
_Result: Any = _strict(Result, measurements=tuple[_Measurement, ...])
_Report: Any = _strict(Report, schema=Literal["pptsn.bench"], version=Literal[1], results=tuple[_Result, ...])


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    (reference,), components = msgspec.json.schema_components([_Report], ref_template="#/$defs/{name}")
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "description": "See docs/benchmarks.md."}
    return {**about, **reference, "$defs": components}


def read_report(path: str | Path) -> Report:
    """Return the report in the file `path`.

    Raises InputError where it cannot be read, is no JSON (or cut short), no report, or of another version.
    """
    try:
        document = msgspec.json.decode(read_small(path, _MOST_BYTES))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the name") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        cause = f"is no JSON, or was cut short ({error})"
        raise InputError(path, cause, f"expected a report, {_AGAIN}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        cause = f'is no report of `pptsn bench` (expected "schema": "{SCHEMA}")'
        raise InputError(path, cause, "name a file it wrote")
    if (version := document.get("version")) != VERSION:
        cause = f"is a report of version {version!r}, this program reads version {VERSION}"
        raise InputError(path, cause, "use the version of pptsn that wrote it, or measure again")
    try:
        return msgspec.convert(msgspec.convert(document, _Report), Report, from_attributes=True)
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$")
        raise InputError(path, f"{field.strip('.`') or 'the report'}: {what}", _AGAIN) from None


def _finite(measurement: Measurement) -> Measurement:
    """Return `measurement` without values that are no numbers; one without a value has no interval either."""
    ends = (measurement.value, measurement.low, measurement.high)
    value, low, high = (end if end is not None and math.isfinite(end) else None for end in ends)
    repeats = tuple(repeat for repeat in measurement.repeats if math.isfinite(repeat))
    note = measurement.note
    if value is None and measurement.value is not None:
        low = high = None
        note = "; ".join(filter(None, (note, f"came out as {float(measurement.value)}, which is no figure")))
    return replace(measurement, value=value, low=low, high=high, repeats=repeats, note=note)


@dataclass(frozen=True)
class Series:
    """A report and what it is called beside others."""

    name: str
    report: Report


def read_series(paths: Sequence[str | Path]) -> list[Series]:
    """Return the reports in `paths`.  Raises InputError as `read_report` does."""
    return [Series(name, read_report(path)) for name, path in zip(short_names(paths), paths, strict=True)]


def short_names(paths: Sequence[str | Path]) -> list[str]:
    """Return a name for each file: its own without the ending, with as many folders as tell it from the others."""
    resolved = [Path(path).resolve() for path in paths]
    names = [path.stem for path in resolved]
    for depth in range(2, 1 + max((len(path.parts) for path in resolved), default=0)):
        owners: dict[str, set[Path]] = {}
        for name, path in zip(names, resolved, strict=True):
            owners.setdefault(name, set()).add(path)
        names = [
            name if len(owners[name]) == 1 else "/".join((*path.parts[-depth:-1], path.stem))
            for name, path in zip(names, resolved, strict=True)
        ]
    return [name if names.count(name) == 1 else f"{name} #{index + 1}" for index, name in enumerate(names)]


if __name__ == "__main__":
    print(json.dumps(report_schema(), indent=1))
