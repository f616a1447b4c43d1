import csv
import io
import json
import os
from contextlib import nullcontext, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.lines import LineFile
from pptsn.runtime.classify.results import Failure, Truth
from pptsn.runtime.classify.sinks.arranging import Arrangement
from pptsn.runtime.classify.sinks.document import JsonDocument
from pptsn.runtime.classify.sinks.lines import CsvLines, JsonLines, TabbedLines
from pptsn.runtime.classify.sinks.names import Sort, check_evidence_goes, output_names
from pptsn.runtime.classify.sinks.opening import open_output
from pptsn.runtime.classify.sinks.terminal import Table, shorten_middle, shown_results
from tests.runtime.classify.test_results import classification

_JOURNAL_STAYS = (
    r"answers\.json: cannot be written \(No space left .*\); its results are in .*\.json\.jsonl, a line each"
)


def test_json_lines_are_one_object_a_result(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    with JsonLines.open(str(path), top=1) as sink:
        sink.write(classification(labels=("x", "ärchery", "z")))
        sink.write(Failure("b.mp4", InputError("b.mp4", "is empty")))
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert first["top"][0]["label"] == "ärchery"
    assert second == {"source": "b.mp4", "error": "b.mp4: is empty"}
    assert list(path.parent.iterdir()) == [path]


def test_a_result_is_in_the_file_when_it_is_written_and_stays_whatever_comes(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("old\n")
    with pytest.raises(RuntimeError), JsonLines.open(str(path), top=1) as sink:
        assert path.read_text() == "old\n"
        sink.write(classification())
        assert json.loads(path.read_text())["source"] == "a.mp4"
        raise RuntimeError
    assert json.loads(path.read_text())["source"] == "a.mp4"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_before_the_first_result_leaves_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("old\n")
    with pytest.raises(RuntimeError), JsonLines.open(str(path), top=1):
        raise RuntimeError
    assert path.read_text() == "old\n"


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "answers.jsonl")
    with (
        JsonLines.open(path, top=1) as sink,
        pytest.raises(UsageError, match=r"answers\.jsonl: another output or process writes it"),
        JsonLines.open(path, top=1),
    ):
        pass
    with JsonLines.open(path, top=1) as sink:
        sink.write(classification())


def test_a_dash_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines.open("-", top=1) as sink:
        sink.write(classification())
    assert json.loads(capsys.readouterr().out)["source"] == "a.mp4"


@pytest.mark.parametrize("room", [0, 1, 3])
@pytest.mark.parametrize("kind", [JsonLines, CsvLines, TabbedLines])
def test_a_full_disk_keeps_the_results_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, room: int
) -> None:
    real, left = os.write, [room]

    def write(descriptor: int, data: bytes) -> int:
        if not left[0]:
            left[0] = -1
            return real(descriptor, data[:7])
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        return real(descriptor, data)

    output = LineFile(tmp_path / "answers", anew=True)
    output.open()
    sink = kind(output, top=1)
    monkeypatch.setattr(os, "write", write)
    for _ in range(room):
        sink.write(classification())
    with pytest.raises(InputError, match=r"answers: cannot be written \(No space left on device\), the results"):
        sink.write(classification())
    output.close()
    assert (tmp_path / "answers").exists() == bool(room)
    text = (tmp_path / "answers").read_text() if room else ""
    assert text.count("\n") == len(text.splitlines()) == room + (kind is TabbedLines and room > 0)


def test_a_table_for_spreadsheets_has_a_row_a_result_and_runs_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with CsvLines.open(str(path), top=2) as sink:
        sink.write(classification(source="=cmd()!A1.mp4", labels=("x", "+y", "z")))
        assert len(path.read_text().splitlines()) == 2
        sink.write(Failure("b\n.mp4", InputError("b", 'is, "empty"')))
    assert path.read_bytes().startswith(
        b"\xef\xbb\xbfsource,class_id,label,score,margin,label_2,score_2,truth,right,"
    )
    with path.open(encoding="utf-8-sig", newline="") as stream:
        answer, failure = csv.DictReader(stream)
    assert (answer["source"], answer["label"]) == ("'=cmd()!A1.mp4", "'+y")
    assert float(answer["margin"]) == pytest.approx(float(answer["score"]) - float(answer["score_2"]), abs=2e-6)
    assert (answer["error"], failure["error"], failure["score"]) == ("", 'b: is, "empty"', "")
    assert "\n" not in failure["source"]


@pytest.mark.parametrize("results", [0, 1, 3])
@pytest.mark.parametrize("ends", [None, RuntimeError, KeyboardInterrupt])
def test_a_document_of_json_has_what_there_was_whatever_ended_the_run(
    tmp_path: Path, results: int, ends: type[BaseException] | None
) -> None:
    path = tmp_path / "answers.json"
    path.write_text("old")
    with suppress(RuntimeError, KeyboardInterrupt), JsonDocument.open(str(path), top=1) as sink:
        for number in range(results):
            sink.write(classification(source=f"{number}.mp4"))
        assert path.read_text() == "old"
        if ends is not None:
            raise ends
    if results:
        assert [entry["source"] for entry in json.loads(path.read_text())] == [f"{n}.mp4" for n in range(results)]
    else:
        assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_journal_of_a_document_stays_where_the_document_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.json"
    with pytest.raises(InputError, match=_JOURNAL_STAYS), JsonDocument.open(str(path), top=1) as sink:
        sink.write(classification())
        monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(28, "No space left on device")))
    (journal,) = tmp_path.iterdir()
    assert journal.name == "answers.json.jsonl"
    assert json.loads(journal.read_text())["source"] == "a.mp4"


@pytest.mark.parametrize("name", ["answers.json", "answers.json.jsonl"])
def test_a_second_run_leaves_the_document_of_the_first_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / "answers.json"
    with JsonDocument.open(str(path), top=1) as first:
        first.write(classification(source="0.mp4"))
        with (
            pytest.raises(UsageError, match="another output or process writes it"),
            open_output(str(tmp_path / name), top=1),
        ):
            pass
        first.write(classification(source="1.mp4"))
    assert [entry["source"] for entry in json.loads(path.read_text())] == ["0.mp4", "1.mp4"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("journal", ["", '{"source": "old.mp4"}\n', '{"source": "ol'])
def test_the_journal_of_a_run_that_was_killed_stays_until_there_is_a_result(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "answers.json"
    killed = tmp_path / "answers.json.jsonl"
    killed.write_text(journal)
    path.write_text("old")
    with JsonDocument.open(str(path), top=1):
        pass
    assert (path.read_text(), killed.read_text()) == ("old", journal)
    with JsonDocument.open(str(path), top=1) as sink:
        sink.write(classification())
    assert [entry["source"] for entry in json.loads(path.read_text())] == ["a.mp4"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_whose_first_line_cannot_be_written_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jsonl", "a.csv", "a.json"):
        with monkeypatch.context() as patched, pytest.raises(InputError, match="No space left"):
            patched.setattr(os, "write", Mock(side_effect=OSError(28, "No space left on device")))
            with open_output(str(tmp_path / name), top=1) as sink:
                sink.write(classification())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sort"), [("o.jsonl", None), ("o.jsonl", Sort.SCORE), ("o.csv", Sort.MARGIN), ("o.json", None)]
)
@pytest.mark.parametrize("rows", range(3))
def test_a_file_that_was_taken_away_while_it_was_written_is_named_at_the_end(
    tmp_path: Path, name: str, sort: Sort | None, rows: int
) -> None:
    written = tmp_path / (f"{name}.jsonl" if name == "o.json" else name)
    # Without a row there is nothing to say.
    said = pytest.raises(InputError, match=f"{written}: was moved or removed while") if rows else nullcontext()
    with said, open_output(str(tmp_path / name), top=1, arrangement=Arrangement(sort=sort)) as sink:
        for _ in range(rows):
            sink.write(classification())
        written.unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_name_in_a_table_is_the_file_s_own_whatever_it_holds(tmp_path: Path) -> None:
    names = ("a  b.mp4", "a\nb.mp4", "a b.mp4", "x" * 200, "d\udce9.mp4", "-e, f.mp4")
    with CsvLines.open(str(tmp_path / "a.csv"), top=1) as sink:
        for name in names:
            sink.write(classification(source=name))
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        written = [row["source"] for row in csv.DictReader(stream)]
    assert written == ["a  b.mp4", "a\\nb.mp4", "a b.mp4", "x" * 200, "d\\xe9.mp4", "'-e, f.mp4"]


def test_a_file_that_is_spelled_in_two_ways_is_one_output(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    (tmp_path / "link.json").symlink_to(path)
    assert output_names([path, f"{tmp_path}/./a.json", str(tmp_path / "link.json")]) == [path]


def test_outputs_are_named_once_and_by_their_endings() -> None:
    assert output_names(["a.JSONL", "/dev/stdout", "-", "b.csv", "a.JSONL"]) == ["a.JSONL", "-", "b.csv"]
    for name in ("answers", "a.txt", "a.xlsx", "a.csv.gz", ".csv"):
        with pytest.raises(
            UsageError, match=r"has no ending .*; expected \.jsonl, \.csv, \.json, \.parquet, or - for"
        ):
            output_names([name])
    with pytest.raises(UsageError, match=r"^--output: is an address") as caught:
        output_names(["https://user:secret@host/hook.json"])
    assert "secret" not in str(caught.value)


def test_csv_says_which_class_is_true_and_whether_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with CsvLines.open(str(path), top=1) as sink:
        for truth in (Truth(1, "y"), Truth(2, "z"), None):
            sink.write(classification(truth=truth))
        sink.write(Failure("b.mp4", InputError("b.mp4", "is empty"), Truth(1, "y")))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = [(row["truth"], row["right"]) for row in csv.DictReader(stream)]
    assert rows == [("y", "1"), ("z", "0"), ("", ""), ("y", "0")]


@pytest.mark.parametrize("warnings", [(), ("ends early",)])
def test_a_pipe_is_told_right_and_wrong_in_a_sixth_field(
    capfd: pytest.CaptureFixture[str], warnings: tuple[str, ...]
) -> None:
    with shown_results(top=1) as sink:
        for truth in (Truth(1, "y"), Truth(2, "z"), None):
            sink.write(classification(truth=truth, warnings=warnings))
    rows = [line.split("\t")[4:] for line in capfd.readouterr().out.splitlines() if line.startswith("a.mp4")]
    told = list(warnings) or [""]
    assert rows == [[*told, "right"], [*told, "wrong"], [*warnings]]


@pytest.mark.parametrize(
    ("label", "verdicts"), [(1, ["right", ""]), (2, ["wrong", "true"]), (0, ["wrong", ""]), (None, ["", ""])]
)
@pytest.mark.parametrize("width", [30, 48, 80, 200])
def test_a_table_tells_right_and_wrong_and_which_class_is_true(
    width: int, label: int | None, verdicts: list[str]
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False)
    truth = None if label is None else Truth(label, "xyz"[label])
    Table(console, top=2).write(classification(source="long" * 40, truth=truth))
    lines = stream.getvalue().splitlines()
    words = [[word for word in line.split() if word in ("right", "wrong", "true")] for line in lines[1:]]
    assert words == [[verdict] if verdict else [] for verdict in verdicts]
    assert all(len(line.rstrip()) <= width for line in lines)


def printed(width: int, *, source: str = "a.mp4") -> list[str]:
    stream = io.StringIO()
    table = Table(
        Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False), top=2
    )
    table.write(classification(source=source))
    table.write(Failure("b.mp4", InputError("b.mp4", "is empty")))
    table.write(classification(source=source))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("outputs", [[], ["a.csv"]])
def test_evidence_that_has_no_place_to_go_is_refused(outputs: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--evidence: goes to .* and - alone, and to a --gallery; add one"):
        check_evidence_goes(outputs)
    for place in ("a.jsonl", "a.JSON", "-"):
        check_evidence_goes([*outputs, place])


def test_a_pipe_gets_tab_separated_fields_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with shown_results(top=2) as sink:
        sink.write(classification(source="folder/" + "long" * 40 + ".mp4"))
        sink.write(Failure("b.mp4", InputError("b.mp4", "is empty")))
        header, *lines = capfd.readouterr().out.splitlines()
    assert header.split("\t") == ["source", "class_id", "label", "score", "warnings"]
    assert len(lines) == 2
    assert lines[0].split("\t")[1:] == ["1", "y", "0.665241"]
    assert lines[0].startswith("folder/long")


@pytest.mark.parametrize("width", [30, 40, 47, 48, 50, 80, 200])
def test_a_terminal_gets_a_table_that_fits(width: int) -> None:
    lines = printed(width, source="folder/" + "long" * 40 + "/clip.mp4")
    assert len(lines) == 5
    assert lines[0].split() == ["source", "label", "score"]
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "ip.mp4" in lines[1]
    assert "0.665" in lines[1]
    assert "long" not in lines[2]


def test_both_ends_of_a_long_name_stay() -> None:
    assert shorten_middle("short", 10) == "short"
    assert shorten_middle("abcdefghijklmnopqrst", 10) == "abc…opqrst"
