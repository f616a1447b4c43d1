import csv
import math
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.csv_file import CsvSink
from tests.runtime.stream.sinks.samples import event, notice, prediction


def rows(path: Path, *messages: object, top: int = 2, **options: int) -> list[dict[str, str]]:
    with CsvSink(path, top=top, **options) as sink:
        sink.open()
        for message in messages:
            sink.write(message)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_prediction_is_one_row_with_its_leading_classes(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "x.csv", prediction(4))
    assert row["type"] == "prediction"
    assert row["time"] == "2023-11-14T22:13:24.000Z"
    assert (row["class_id"], row["label"], row["score"]) == ("1", "riding a bike", "0.7")
    assert (row["label_2"], row["score_2"]) == ("dancing", "0.2")
    assert (row["time_s"], row["latency_ms"], row["stale"]) == ("2.0", "15.0", "0")
    assert "label_3" not in row
    assert row["detail"] == row["phase"] == ""


def test_events_and_notices_share_the_table(tmp_path: Path) -> None:
    started, ended, said = rows(tmp_path / "x.csv", event(), event(ended=True), notice())
    assert (started["type"], started["phase"], started["label"]) == ("event", "started", "dancing")
    assert (started["time_s"], started["score"], started["end_time"]) == ("4.0", "0.95", "")
    assert (ended["phase"], ended["duration_s"], ended["end_time"]) == (
        "ended",
        "12.0",
        "2023-11-14T22:13:36.000Z",
    )
    assert (said["state"], said["detail"], said["label"]) == ("retrying", "connection refused", "")


def test_the_header_stands_once_however_often_the_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows(path, prediction(0))
    assert [row["number"] for row in rows(path, prediction(1))] == ["0", "1"]
    assert path.read_text(encoding="utf-8").count("type,time") == 1
    assert path.read_bytes().startswith(b"\xef\xbb\xbftype,time,")


def test_a_table_with_other_columns_is_not_mixed_with(tmp_path: Path) -> None:
    rows(tmp_path / "x.csv", prediction(), top=2)
    with pytest.raises(UsageError, match="exists with other columns"):
        rows(tmp_path / "x.csv", prediction(), top=3)


def test_rotated_files_are_tables_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    last = rows(path, *map(prediction, range(20)), rotate_bytes=1000, keep=20)
    old = rows(path.with_name("x.1.csv"))
    assert int(old[-1]["number"]) + 1 == int(last[0]["number"])


def test_commas_quotes_and_line_breaks_stay_in_their_cell(tmp_path: Path) -> None:
    label = 'say "hi",\nthen go'
    path = tmp_path / "x.csv"
    (row,) = rows(path, event(label=label))
    assert row["label"] == 'say "hi",\\nthen go'
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_a_score_that_is_no_number_leaves_its_cell_empty(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "x.csv", prediction(scores=(math.nan, math.nan, math.nan)))
    assert row["score"] == ""


def test_fewer_classes_than_asked_for_leave_cells_empty(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "x.csv", prediction(scores=(0.4, 0.6), labels=("a", "b")), top=4)
    assert (row["label_2"], row["label_3"], row["label_4"]) == ("a", "", "")
