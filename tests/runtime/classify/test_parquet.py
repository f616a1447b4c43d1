"""Answers as a Parquet file: typed, and whole enough to go on with."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.classify.evidence import CropLogits
from pptsn.runtime.classify.origin import Origin, Stamp
from pptsn.runtime.classify.results import Classification, Failure, Truth
from pptsn.runtime.classify.sinks import parquet as module
from pptsn.runtime.classify.sinks.document import journal_of
from pptsn.runtime.classify.sinks.parquet import ParquetDocument
from pptsn.runtime.classify.sinks.rows import JsonRows
from tests.runtime.classify.test_results import classification

STAMP = Stamp(5, "2026-11-27T09:30:00.250001Z")


def results() -> list[Classification | Failure]:
    """One of each kind."""
    kept = CropLogits(np.ones((2, 1, 3), np.float32), np.array([3, 9]), (0.12, None), ("centre",))
    known = Origin(stamp=STAMP, model="3f2a", accept_damaged=False)
    return [
        classification(source="a.mp4", origin=known),
        classification(source="b.mp4", warnings=("d\udce9.mp4 is gone",), lost_frames=2, duration_s=None),
        Failure("c\n.mp4", InputError("c", "is empty")),
        classification(source="d.mp4", crop_logits=kept, origin=Origin(stamp=None, model="", accept_damaged=True)),
        classification(source="e.mp4", truth=Truth(2, "z"), origin=known),
        Failure("f.mp4", InputError("f", "is empty"), Truth(1, "y")),
    ]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file with these results."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    with ParquetDocument.open(str(path), top=2) as sink:
        for result in results():
            sink.write(result)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    return path


def table_of(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def test_columns_have_their_types(written: Path) -> None:
    types = {field.name: str(field.type) for field in table_of(written).schema}
    assert types["score"] == types["margin"] == types["total_ms"] == "double"
    assert (types["frames"], types["class_id"], types["label"]) == ("int64", "int32", "string")
    assert (types["modified"], types["accept_damaged"]) == ("timestamp[us, tz=UTC]", "bool")


def test_every_row_says_what_its_object_in_json_says(written: Path) -> None:
    answer, warned, failure, evident, labelled, lost = table_of(written).to_pylist()
    fields = results()[0].to_dict(top=2)
    assert answer["top"] == fields["top"]
    assert {name: answer[name] for name in ("class_id", "label", "score")} == fields["top"][0]
    assert answer["modified"] == datetime(2026, 11, 27, 9, 30, 0, 250001, timezone.utc)
    assert (answer["file_bytes"], answer["model"], answer["accept_damaged"]) == (5, "3f2a", False)
    assert (answer["decode_ms"], answer["error"], answer["warnings"], answer["lost_frames"]) == (1.23, None, [], 0)
    assert (warned["warnings"], warned["lost_frames"]) == (["d\\xe9.mp4 is gone"], 2)
    assert warned["duration_s"] is None
    assert failure["source"] == "c\n.mp4"
    assert failure["error"] == "c: is empty"
    assert {name for name, value in failure.items() if value is not None} == {"source", "error"}
    assert evident["evidence"]["frames"][1]["frame"] == 9
    assert (labelled["truth"], labelled["right"]) == ({"class_id": 2, "label": "z"}, False)
    assert (lost["truth"], lost["right"]) == ({"class_id": 1, "label": "y"}, False)


def test_its_rows_are_read_back_as_they_were_in_the_journal(written: Path) -> None:
    import json

    rows = [json.loads(JsonRows(top=2).line(result)) for result in results()]
    rows[1]["warnings"] = ["d\\xe9.mp4 is gone"]
    rows[1] |= dict.fromkeys(("file_bytes", "modified", "model", "accept_damaged"))
    assert [json.loads(line) for line in ParquetDocument.rows_before(str(written))] == rows


def test_no_field_of_an_answer_is_left_out(written: Path) -> None:
    names = {name for result in results() for name in result.to_dict()} - {"timing_ms"}
    assert names <= set(table_of(written).schema.names)


def test_many_rows_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(module, "_ROWS", 2)
    with ParquetDocument.open(str(tmp_path / "a.parquet"), top=2) as sink:
        for number in range(5):
            sink.write(classification(source=f"{number}.mp4"))
    assert table_of(tmp_path / "a.parquet")["source"].to_pylist() == [f"{number}.mp4" for number in range(5)]


def test_a_full_disk_leaves_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import ParquetWriter

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParquetWriter, "write_batch", full)
    path = tmp_path / "a.parquet"
    said = (
        r"a\.parquet: cannot be written \(No space left .*\); its results are in .*\.parquet\.jsonl, a line each"
    )
    with pytest.raises(InputError, match=said), ParquetDocument.open(str(path), top=2) as sink:
        sink.write(classification())
    assert [each.name for each in tmp_path.iterdir()] == [journal_of(str(path)).name]


def test_a_file_of_another_program_is_refused_and_kept(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    for write in (
        lambda: parquet.write_table(pyarrow.table({"source": ["a.mp4"]}), path),
        lambda: path.write_text("no table"),
    ):
        write()
        before = path.read_bytes()
        ended = run("classify", "a.mp4", "--model", "m.onnx", "-o", path, "--resume")
        assert ended.code == 2
        assert ended.err.startswith(f"pptsn: error: {path}: is no document of `pptsn classify` (")
        assert ended.err.endswith("; name another file, or leave --resume out\n")
        assert path.read_bytes() == before


def test_without_pyarrow_a_line_says_how_to_get_it(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = run("classify", "a.mp4", "--model", "m.onnx", "-o", tmp_path / "a.parquet")
    assert ended.code == 3
    assert ended.err == ("pptsn: error: pyarrow: a .parquet file needs it; run: pip install 'pptsn[parquet]'\n")
    with pytest.raises(MissingDependencyError, match=r"^pyarrow: .*; run: pip install 'pptsn\[parquet\]'"):
        list(ParquetDocument._lines_of(tmp_path / "a.parquet"))
    assert list(tmp_path.iterdir()) == []
