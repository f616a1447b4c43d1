from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pptsn import benchmarks
from pptsn.benchmarks.measure.documents import read_report, report_document, report_schema, write_report
from pptsn.benchmarks.measure.results import Measurement, Report, Result
from pptsn.runtime.base.errors import InputError
from tests.benchmarks.reports.fabricated import ODD_NAME, figure, report

SCHEMA = json.loads((Path(benchmarks.__file__).parent / "report.schema.json").read_text())


def test_the_schema_is_the_one_of_the_types() -> None:
    remedy = "run: python -m pptsn.benchmarks.measure.documents > benchmarks/report.schema.json"
    assert report_schema() == SCHEMA, remedy


def strict(text: str) -> Any:
    """What a reader makes of it that knows no NaN."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def with_measurement(measurement: Measurement, **facts: Any) -> Report:
    return report(
        [Result(section="scenario", settings={"model": "a.onnx"}, measurements=(measurement,), facts=facts)]
    )


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    written = report(warnings=("noisy & <loud>",))
    write_report(written, tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == written
    assert ODD_NAME in {result.settings.get("model") for result in written.results}


def test_what_is_written_follows_the_schema(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    write_report(report(), tmp_path / "r.json")
    jsonschema.validate(strict((tmp_path / "r.json").read_text(encoding="utf-8")), SCHEMA)


def test_what_is_no_number_becomes_null_with_a_note(tmp_path: Path) -> None:
    odd = replace(figure("latency_p50_ms", 1.0), value=math.nan, repeats=(1.0, math.inf), note="of few clips")
    write_report(with_measurement(odd, ratio=-math.inf), tmp_path / "r.json")
    document = strict((tmp_path / "r.json").read_text())
    jsonschema.validate(document, SCHEMA)
    measurement = document["results"][0]["measurements"][0]
    assert (measurement["value"], measurement["low"], measurement["repeats"]) == (None, None, [1.0])
    assert measurement["note"] == "of few clips; came out as nan, which is no figure"
    assert document["results"][0]["facts"] == {"ratio": None}


def test_facts_of_other_kinds_become_plain(tmp_path: Path) -> None:
    facts = {
        "path": Path("a.onnx"),
        "array": np.arange(2),
        "share": np.float32(0.5),
        "name": "b\udcff",
        "ok": np.True_,
    }
    document = report_document(with_measurement(figure("a_ms", 1.0), **facts))
    assert strict(json.dumps(document))["results"][0]["facts"] == {
        "path": "a.onnx",
        "array": [0, 1],
        "share": 0.5,
        "name": "b\\xff",
        "ok": True,
    }


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    write_report(report([]), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_report(report(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Return what sets one field of a document; `to` of None removes it."""

    def apply(document: Any) -> None:
        for name in path[:-1]:
            document = document[name]
        if to is None:
            del document[path[-1]]
        else:
            document[path[-1]] = to

    return apply


FIRST = ("results", 0)
BROKEN = {
    "another schema": (change("schema", to="pptsn.spec"), "is no report of `pptsn bench`"),
    "another version": (change("version", to=2), "is a report of version 2, this program reads version 1"),
    "no results": (change("results", to=None), "the report: Object missing required field `results`"),
    "results that are no list": (change("results", to={"a": 1}), "results: Expected `array`, got `object`"),
    "a result that is none": (change(*FIRST, to="fast"), r"results\[0\]: Expected `object`, got `str`"),
    "an unknown section": (
        change(*FIRST, "section", to="dreams"),
        r"results\[0\]\.section: Expected `str` matching .*\(scenario\|live\|",
    ),
    "a setting that is a list": (
        change(*FIRST, "settings", "model", to=["a"]),
        r"\.settings\[\.\.\.\]: Expected `.*`, got `array`",
    ),
    "machine as text": (change("machine", to="mine"), "machine: Expected `object`, got `str`"),
    "a value as text": (
        change(*FIRST, "measurements", 0, "value", to="12"),
        r"measurements\[0\]\.value: Expected `float \| null`, got `str`",
    ),
    "a value that is true": (
        change(*FIRST, "measurements", 0, "value", to=True),
        r"\.value: Expected `float \| null`, got `bool`",
    ),
    "a repeat as text": (
        change(*FIRST, "measurements", 0, "repeats", to=[1, "2"]),
        r"\.repeats\[1\]: Expected `float`, got `str`",
    ),
    "half a sample": (
        change(*FIRST, "measurements", 0, "samples", to=1.5),
        r"\.samples: Expected `int`, got `float`",
    ),
    "samples below nothing": (
        change(*FIRST, "measurements", 0, "samples", to=-1),
        r"\.samples: Expected `int` >= 0",
    ),
    "an unknown better": (
        change(*FIRST, "measurements", 0, "better", to="faster"),
        r"\.better: Expected `str` matching .*\(lower\|higher\|\)",
    ),
    "no note": (
        change(*FIRST, "measurements", 0, "note", to=None),
        r"measurements\[0\]: Object missing required field `note`",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_document_is_refused_in_one_line_and_by_the_schema(tmp_path: Path, what: str) -> None:
    break_it, cause = BROKEN[what]
    document = report_document(report())
    break_it(document)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=cause) as error:
        read_report(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize(
    "text", ["", "hello", "[1, 2", '{"schema": NaN}', '{"schema": 1e999}', "\xff", "[" * 100_000]
)
def test_what_is_no_json_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is no JSON, or was cut short") as error:
        read_report(path)
    assert "\n" not in str(error.value)


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(report(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cut short"):
        read_report(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "tools" / "results").glob("*.json")), ids=lambda path: path.stem
)
def test_reports_of_the_last_release_are_read_with_all_their_sections(path: Path) -> None:
    found = read_report(path)
    assert json.loads(path.read_text())["results"] == report_document(found)["results"]
