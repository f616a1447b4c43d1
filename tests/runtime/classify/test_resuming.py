"""`classify --resume`: whatever ended the run before, files are in the end as an undisturbed run leaves them."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.classify.origin import stamp_of
from tests.clips import write_clip
from tests.models import LABELS, write_tiny_model

ROOT = Path(__file__).resolve().parents[3]
FILES = ("o.jsonl", "o.csv", "o.json", *(["o.parquet"] if find_spec("pyarrow") else []))
QUICK = ("--segments", "1", "--views", "center", "--decoders", "0")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, five clips and one that fails, two of them with names of the awkward kind."""
    folder = tmp_path_factory.mktemp("resuming")
    write_tiny_model(folder / "m.onnx")
    (folder / "clips").mkdir()
    for number, name in enumerate(("=a  b.mp4", "c.mp4", "d\n.mp4", "e.mp4", "f.mp4")):
        write_clip(folder / "clips" / name, frames=4 + number)
    (folder / "clips" / "d.mp4").write_text("no video\n")
    return folder


@pytest.fixture
def classify(run, work: Path, tmp_path: Path) -> Any:  # type: ignore[no-untyped-def]
    def called(*more: object, files: Iterable[str] = FILES, model: Path = work / "m.onnx") -> Any:
        outputs = [part for name in files for part in ("-o", tmp_path / name)]
        return run("classify", work / "clips", "--model", model, *QUICK, *outputs, *more)

    return called


def answers(path: Path) -> list[dict[str, Any]]:
    """Return what the rows of a file say, but for the times that the answers took."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [{k: v for k, v in row.items() if not k.endswith("_ms")} for row in csv.DictReader(stream)]
    if path.suffix == ".parquet":
        from pyarrow import parquet

        rows = parquet.read_table(path).to_pylist()
        return [{k: v for k, v in row.items() if not k.endswith("_ms")} for row in rows]
    text = path.read_text()
    rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in row.items() if k != "timing_ms"} for row in rows]


def all_answers(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the answers in all files of a folder, which holds nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    return {name: answers(folder / name) for name in FILES}


def as_a_kill_leaves_it(folder: Path, places: dict[str, float]) -> None:
    """Cut each file at a share of its bytes; of a document its journal is left."""
    for document in FILES[2:]:
        shutil.copy(folder / "o.jsonl", folder / f"{document}.jsonl")
        (folder / document).unlink()
    for name, place in places.items():
        path = folder / (f"{name}.jsonl" if name in FILES[2:] else name)
        os.truncate(path, round(place * path.stat().st_size))


def test_cut_anywhere_all_files_end_as_if_undisturbed(classify, tmp_path: Path) -> None:
    assert classify().code == 1
    undisturbed = all_answers(tmp_path)
    assert {len(rows) for rows in undisturbed.values()} == {6}
    chance = random.Random(1)
    for turn in range(4):
        places = {name: (0.0, 1.0)[turn] if turn < 2 else chance.random() for name in FILES}
        as_a_kill_leaves_it(tmp_path, places)
        ended = classify("--resume")
        assert ended.code == 1, ended.err  # the failure was tried again
        assert all_answers(tmp_path) == undisturbed, places


def test_what_has_its_answer_is_not_opened_again(classify, work: Path, tmp_path: Path) -> None:
    classify()
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    ended = classify("--resume")
    assert ended.err.startswith("pptsn: note: 1 of 6 sources left to answer\n")
    assert ended.out == ""
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_the_line_that_sums_up_tells_of_what_was_there_before(classify, work: Path, tmp_path: Path) -> None:
    assert "of before" not in classify("--resume").err
    more = [shutil.copy(work / "clips" / "c.mp4", tmp_path / name) for name in ("y.mp4", "z.mp4")]
    assert classify("--resume", *more).err.rstrip().endswith(", beside 5 of before")


def test_an_answer_that_one_of_the_files_lacks_is_made_for_all(classify, tmp_path: Path) -> None:
    classify()
    undisturbed = all_answers(tmp_path)
    for lacking in FILES:
        (tmp_path / lacking).unlink()
        ended = classify("--resume")
        assert ended.err.startswith("pptsn: note: 6 of 6 sources left to answer\n")
        assert all_answers(tmp_path) == undisturbed


@pytest.mark.parametrize("name", FILES)
def test_a_source_whose_label_has_changed_is_answered_again(run, work: Path, tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    listed, output = tmp_path / "test.txt", tmp_path / name
    command = ("classify", f"@{listed}", "--model", work / "m.onnx", *QUICK, "-o", output)

    def left_with(*labels: str) -> str:
        listed.write_text(
            "".join(f"{work}/clips/{clip}.mp4{label}\n" for clip, label in zip("ce", labels, strict=True))
        )
        ended = run(*command, "--resume")
        assert ended.code == 0
        return str(ended.err.splitlines()[0].removeprefix("pptsn: note: "))

    assert left_with("", "") == "2 of 2 sources left to answer"
    assert left_with(" 0", " 1") == "2 of 2 sources left to answer"
    assert left_with(" 0", " 1") == "0 of 2 sources left to answer"
    assert left_with(" 0", " 2") == "1 of 2 sources left to answer"
    truths = [row["truth"] if name == "o.csv" else row["truth"]["label"] for row in answers(output)]
    assert truths == [LABELS[0], LABELS[2]]


@pytest.mark.parametrize("change", ["content", "time", "a frame of a folder"])
def test_a_source_that_has_changed_is_answered_again(run, work: Path, tmp_path: Path, change: str) -> None:  # type: ignore[no-untyped-def]
    clip, output = write_clip(tmp_path / "a.mp4", frames=4), tmp_path / "o.csv"
    if change == "a frame of a folder":
        import cv2
        import numpy as np

        clip = tmp_path / "frames"
        clip.mkdir()
        for number in range(3):
            cv2.imwrite(str(clip / f"img_{number + 1:05}.jpg"), np.zeros((40, 40, 3), np.uint8))
    command = ("classify", clip, "--model", work / "m.onnx", *QUICK, "-o", output)
    assert run(*command).code == 0
    (before,) = answers(output)
    assert "0 of 1 sources left" in run(*command, "--resume").err
    if change == "content":
        write_clip(clip, frames=7)
    else:
        changed = clip if clip.is_file() else clip / "img_00002.jpg"
        os.utime(changed, (1e9, 2e9))
    assert "1 of 1 sources left" in run(*command, "--resume").err
    (after,) = answers(output)
    assert after["modified"] != before["modified"]
    assert (after["frames"] == before["frames"]) == (change != "content")


def test_a_failure_gives_way_to_its_answer_in_its_place(run, work: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clips = [write_clip(tmp_path / f"{name}.mp4", frames=4) for name in "abc"]
    whole = clips[1].read_bytes()
    clips[1].write_text("no video\n")
    command = ("classify", *clips, "--model", work / "m.onnx", *QUICK, "-o", tmp_path / "o.json")
    assert run(*command).code == 1
    clips[1].write_bytes(whole)
    assert run(*command, "--resume").code == 0
    assert [row["source"] for row in answers(tmp_path / "o.json")] == list(map(str, clips))
    assert not any("error" in row for row in answers(tmp_path / "o.json"))


def test_rows_of_other_sources_stay(run, work: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one, two = work / "clips" / "e.mp4", work / "clips" / "c.mp4"
    command = ("--model", work / "m.onnx", *QUICK, "-o", tmp_path / "o.json", "-o", tmp_path / "o.csv")
    run("classify", one, *command)
    run("classify", two, *command, "--resume")
    for name in ("o.json", "o.csv"):
        assert [row["source"] for row in answers(tmp_path / name)] == [str(one), str(two)]


def test_a_source_that_is_named_twice_has_its_row_twice(run, work: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clip, output = work / "clips" / "c.mp4", tmp_path / "o.jsonl"
    run("classify", clip, clip, "--model", work / "m.onnx", *QUICK, "-o", output)
    undisturbed = answers(output)
    os.truncate(output, output.stat().st_size // 2 + 9)
    ended = run("classify", clip, clip, "--model", work / "m.onnx", *QUICK, "-o", output, "--resume")
    assert "0 of 1 sources left" in ended.err
    assert answers(output) == undisturbed


REMEDY = "; give the model and the settings of before, or leave --resume out to begin anew\n"


@pytest.mark.parametrize(
    ("name", "more", "cause"),
    [
        ("o.csv", ("--top", "2"), "other settings (top 4, not 2)"),
        ("o.json", ("--top", "2"), "other settings (top 4, not 2)"),
        ("o.jsonl", ("--sampling", "linspace"), "other settings (sampling centre, not linspace)"),
        ("o.csv", ("--accept-damaged",), "other settings (accept_damaged False, not True)"),
        ("o.jsonl", ("--evidence",), "other settings (evidence False, not True)"),
        ("o.csv", (), "another model ("),
        ("o.jsonl", (), "another model ("),
    ],
)
def test_answers_of_another_model_or_settings_are_refused_and_kept(
    classify, work: Path, tmp_path: Path, name: str, more: tuple[str, ...], cause: str
) -> None:
    classify(files=[name])
    before = (tmp_path / name).read_bytes()
    other = work / "m.onnx" if more else write_tiny_model(work / "other.onnx", mean=(0.4, 0.5, 0.5))
    ended = classify("--resume", *more, files=[name], model=other)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith(f"pptsn: error: {tmp_path / name}: has answers of {cause}")
    assert ended.err.endswith(REMEDY)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "o.jsonl",
            '{"source": "a.mp4", "top": [{"class_id": 1, "label": "x", "score": 1}]}\n',
            ":1: does not say",
        ),
        ("o.jsonl", "[1, 2]\n", ":1: does not say"),
        ("o.jsonl", "\0\0\0\n", ":1: does not say"),
        ("o.csv", "source,label\na.mp4,x\n", ":2: does not say"),
        ("o.csv", "source;label\n", ": has semicolons between its columns, expected commas"),
        ("o.csv", "source,label\n", None),
        ("o.json", '{"a": 1}', ": is no document of `pptsn classify`"),
        ("o.json", "[{]", ": is no document of `pptsn classify`"),
        ("o.json", '[{"source": "a.mp4", "top": []}]', ":1: does not say"),
    ],
)
def test_files_of_older_releases_and_others_are_refused_and_kept(
    classify, tmp_path: Path, name: str, content: str, said: str | None
) -> None:
    (tmp_path / name).write_text(content)
    ended = classify("--resume", files=[name])
    assert ended.code == 2
    line = ended.err.splitlines()[-1]
    assert line.startswith(f"pptsn: error: {tmp_path / name}{said or ': exists with other columns'}")
    assert (tmp_path / name).read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_document_that_another_program_has_laid_out_is_gone_on_with(classify, tmp_path: Path) -> None:
    classify(files=["o.json"])
    undisturbed = answers(tmp_path / "o.json")
    rows = json.loads((tmp_path / "o.json").read_text())
    (tmp_path / "o.json").write_text(json.dumps(rows[:3], indent=2))
    assert "3 of 6 sources left" in classify("--resume", files=["o.json"]).err
    assert answers(tmp_path / "o.json") == undisturbed


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_that_a_spreadsheet_has_saved_is_gone_on_with(
    classify, tmp_path: Path, mark: str, quoting: Any, end: str
) -> None:
    classify(files=["o.csv"])
    undisturbed = answers(tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    with (tmp_path / "o.csv").open("w", encoding=mark, newline="") as stream:
        csv.writer(stream, quoting=quoting, lineterminator=end).writerows(rows[:4])
    ended = classify("--resume", files=["o.csv"])
    assert "3 of 6 sources left" in ended.err
    assert answers(tmp_path / "o.csv") == undisturbed


def test_a_table_with_line_ends_of_old_macs_is_refused_and_kept(classify, tmp_path: Path) -> None:
    classify(files=["o.csv"])
    saved = (tmp_path / "o.csv").read_bytes().replace(b"\n", b"\r")
    (tmp_path / "o.csv").write_bytes(saved)
    ended = classify("--resume", files=["o.csv"])
    assert ended.code == 2
    assert "o.csv: has lines that end by carriage returns alone, as old Macs'; save it with" in ended.err
    assert (tmp_path / "o.csv").read_bytes() == saved
    # One that ends in the middle of its end is a line that is cut short, as any.
    (tmp_path / "o.csv").write_bytes(saved.replace(b"\r", b"\r\n")[:-1])
    assert "sources left" in classify("--resume", files=["o.csv"]).err


def test_sources_that_rows_cannot_tell_apart_are_not_resumed(  # type: ignore[no-untyped-def]
    run, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"http://127.0.0.1:9/v.mp4?key={name}" for name in "ab"]
    names = [tmp_path / "=c.mp4", tmp_path / "'=c.mp4"]
    for clip in names:
        shutil.copy(work / "clips" / "c.mp4", clip)

    def resumed(*sources: object, output: str) -> Any:
        more = ("--model", work / "m.onnx", *QUICK, "-o", tmp_path / output, "--resume")
        return run("classify", *sources, *more)

    refused = resumed(*addresses, output="o.jsonl")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == (
        f"pptsn: error: {tmp_path}/o.jsonl: calls two sources http://127.0.0.1:9/v.mp4?key=***, and could not "
        "tell their answers apart; classify them apart, or leave --resume out"
    )
    assert not (tmp_path / "o.jsonl").exists()
    assert "2 of 2 sources left" in resumed(*names, output="o.jsonl").err
    monkeypatch.chdir(tmp_path)
    assert resumed("=c.mp4", "'=c.mp4", output="o.csv").code == 2
    assert "1 of 1 sources left" in resumed("=c.mp4", "=c.mp4", output="o.csv").err


@pytest.mark.parametrize("second", [" 1", ""])
def test_a_source_with_two_labels_is_not_resumed_as_one_row_has_one(  # type: ignore[no-untyped-def]
    run, work: Path, tmp_path: Path, second: str
) -> None:
    clip, lists = work / "clips" / "c.mp4", [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, label in zip(lists, (" 0", second), strict=True):
        path.write_text(f"{clip}{label}\n")
    command = ("classify", *(f"@{path}" for path in lists), "--model", work / "m.onnx", *QUICK)
    assert run(*command, "-o", tmp_path / "o.csv").code == 0
    before = (tmp_path / "o.csv").read_text()
    refused = run(*command, "-o", tmp_path / "o.csv", "--resume")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    said = f"has one row for {clip}, which is named twice, each time with another label or none"
    assert refused.err.startswith(f"pptsn: error: {tmp_path / 'o.csv'}: {said}; ")
    assert (tmp_path / "o.csv").read_text() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("margin"), "Object missing required field `margin`"),
        (lambda row: row.pop("duration_s"), "Object missing required field `duration_s`"),
        (lambda row: row.pop("timing_ms"), "Object missing required field `timing_ms`"),
        (lambda row: row["top"][0].pop("score"), "Object missing required field `score` - at `$.top["),
        (lambda row: row.update(truth={"of": "x"}), "Object missing required field `class_id` - at `$.truth`"),
        (lambda row: row.update(warnings=[1]), "Expected `str`, got `int` - at `$.warnings["),
        (lambda row: row.update(error=1), "Expected `str`, got `int` - at `$.error`"),
    ],
)
@pytest.mark.parametrize("name", ["o.jsonl", "o.json"])
def test_a_row_that_was_changed_by_hand_is_told_by_its_line_and_all_stay(
    classify, tmp_path: Path, name: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    classify(files=[name])
    text = (tmp_path / name).read_text()
    rows = json.loads(text) if name == "o.json" else [json.loads(line) for line in text.splitlines()]
    change(rows[0])
    changed = json.dumps(rows) if name == "o.json" else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / name).write_text(changed)
    ended = classify("--resume", "--gallery", tmp_path / "g.html", files=[name])
    begin = f"pptsn: error: {tmp_path / name}:1: is no row as `pptsn classify` writes them ({said}"
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith(begin)
    assert ended.err.endswith("; correct it, or take it out to have it made anew\n")
    assert (tmp_path / name).read_text() == changed


@pytest.mark.parametrize("name", FILES[2:])
def test_rows_in_which_another_program_spells_out_what_there_is_not_are_rows(
    classify, work: Path, tmp_path: Path, name: str
) -> None:
    classify(files=["o.jsonl", name])
    undisturbed, rows = answers(tmp_path / name), answers(tmp_path / "o.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    spelled = dict.fromkeys(
        {key for row in rows for key in row} | {"truth", "evidence", "warnings", "lost_frames"}
    )
    text = "".join(json.dumps({**spelled, **row}) + "\n" for row in lines)
    for file in ("o.jsonl", f"{name}.jsonl"):
        (tmp_path / file).write_text(text)
    (tmp_path / name).unlink()
    assert classify("--resume", "--gallery", tmp_path / "g.html", files=["o.jsonl", name]).code == 1
    if name == "o.parquet":
        assert answers(tmp_path / name) == undisturbed
    assert (tmp_path / "g.html").exists()


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
def test_a_pipe_is_not_waited_for(classify, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    ended = classify("--resume", files=[name])
    assert (ended.code, ended.err.splitlines()[-1]) == (
        1,
        f"pptsn: error: {tmp_path / name}: is no regular file; name a file; - is standard output",
    )


def test_a_run_that_is_under_way_is_not_gone_on_with(classify, tmp_path: Path) -> None:
    from pptsn.runtime.classify.sinks.opening import open_output

    classify()
    before = all_answers(tmp_path)
    for name in FILES:
        held = name if name in FILES[:2] else f"{name}.jsonl"
        with open_output(str(tmp_path / held), top=4):
            ended = classify("--resume")
            assert ended.code == 2
            assert "another output or process writes it" in ended.err
        assert all_answers(tmp_path) == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "--resume: has no file to go on with; name one by --output"),
        (("-o", "-"), "--resume: has no file to go on with; name one by --output"),
        (("-o", "o.csv", "--below", "0.5"), "--below: leaves answers out of the files, which --resume would take"),
    ],
)
def test_what_cannot_be_resumed_is_said_at_once(classify, more: tuple[str, ...], said: str) -> None:
    ended = classify("--resume", *more, files=[])
    assert ended.code == 2
    assert ended.err.startswith(f"pptsn: error: {said}")


def test_a_full_disk_at_the_end_leaves_the_rows_as_they_came(
    classify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify(files=["o.csv"])
    before = answers(tmp_path / "o.csv")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        ended, unmade = classify("--resume", files=["o.csv"]), classify(files=["o.json"])
    assert "a line each" in unmade.err.splitlines()[-1]
    assert "sources answered" not in unmade.err  # which would say that they are in the document
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        f"pptsn: error: {tmp_path / 'o.csv'}: cannot be written (No space left on device); "
        "its rows are all there, as they came; once it can be, classify again with --resume"
    )
    assert sorted(row["source"] for row in answers(tmp_path / "o.csv")[:6]) == sorted(r["source"] for r in before)
    assert classify("--resume", files=["o.csv"]).code == 1
    assert answers(tmp_path / "o.csv") == before


def test_a_folder_in_which_nothing_can_be_made_is_told_before_the_work(
    classify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    classify(files=["o.csv"])
    before = (tmp_path / "o.csv").read_bytes()
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    for more in ("--resume",), ("--sort", "score"):
        ended = classify(*more, files=["o.csv"])
        assert (ended.code, ended.out) == (1, "")
        said = f"{tmp_path / 'o.csv'}: cannot be written (Permission denied); choose a writable place with room\n"
        assert ended.err.endswith(f"pptsn: error: {said}")
        assert (tmp_path / "o.csv").read_bytes() == before


def test_stamps_tell_files_and_folders_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    os.utime(tmp_path / "a", ns=(0, 1_700_000_000_123_456_789))
    stamp = stamp_of(str(tmp_path / "a"))
    assert stamp is not None
    assert (stamp.file_bytes, stamp.modified) == (5, "2023-11-14T22:13:20.123456Z")
    folder = stamp_of(str(tmp_path))
    assert folder is not None
    assert folder.file_bytes == 5
    os.mkfifo(tmp_path / "pipe")
    for other in ("none", "pipe", "a\0b", "n" * 300):
        assert stamp_of(str(tmp_path / other)) is None


KILLED = """if True:
    import os, random, signal, sys, time
    from contextlib import suppress
    from pathlib import Path
    import av, cv2, onnxruntime, rich.progress
    import pptsn.cli.classify, pptsn.runtime.recognizer, pptsn.runtime.engines.onnxruntime.engine
    import pptsn.runtime.classify.sinks.resuming, pptsn.runtime.classify.sinks.terminal
    from pptsn.cli.program import run

    # One process imports everything, and the runs are forks of it.
    chance, kills, folder = random.Random(7), int(sys.argv[1]), Path(sys.argv[2])

    def written():
        with suppress(FileNotFoundError):  # a journal that has become its document
            return [(path.name, path.stat().st_size) for path in sorted(folder.glob("o.*"))]

    while True:
        before = written()
        child = os.fork()
        if not child:
            sys.argv[1:] = sys.argv[3:]
            run()
            os._exit(0)
        if kills:
            kills -= 1
            # Any time at its beginning, or soon after its first answers.
            patience_s = 0.3 if kills % 5 == 0 else 2
            started_s = time.monotonic()
            while written() == before and time.monotonic() - started_s < patience_s:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1))
            os.kill(child, chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            os.waitpid(child, 0)
        else:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """


@pytest.mark.slow
def test_after_thirty_kills_at_random_moments_there_is_one_row_for_each_clip(work: Path, tmp_path: Path) -> None:
    clips, kept = tmp_path / "clips", tmp_path / "kept"
    clips.mkdir()
    for number in range(150):
        os.link(work / "clips" / "c.mp4", clips / f"{number:03}.mp4")
    (clips / "075.mp4").unlink()
    (clips / "075.mp4").write_text("no video\n")
    found = {}
    for folder, kills in ((kept, 0), (tmp_path / "killed", 30)):
        folder.mkdir()
        outputs = [part for name in FILES for part in ("-o", str(folder / name))]
        command = ["classify", str(clips), "--model", str(work / "m.onnx"), *QUICK, *outputs]
        command += ["--resume", "--backend", "onnxruntime"]
        script = [sys.executable, "-c", KILLED, str(kills), str(folder), *command]
        ended = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 1, ended.stderr
        found[folder] = all_answers(folder)
        left = [int(line.split()[2]) for line in ended.stderr.splitlines() if line.endswith("left to answer")]
    assert found[tmp_path / "killed"] == found[kept]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 3, left  # the kills came while there was work


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
@pytest.mark.parametrize("blank", ["\n", "\r\n", " \t\n"])
@pytest.mark.parametrize("at", [2, 4, -1])
def test_an_empty_line_is_told_by_its_number(classify, tmp_path: Path, name: str, blank: str, at: int) -> None:
    classify(files=[name])
    lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
    at = at if at > 0 else len(lines)
    changed = b"".join([*lines[:at], blank.encode(), *lines[at:]])
    (tmp_path / name).write_bytes(changed)
    ended = classify("--resume", files=[name])
    said = f"pptsn: error: {tmp_path / name}:{at + 1}: is an empty line, which is no row; take it out\n"
    assert (ended.code, ended.err) == (2, said)
    assert (tmp_path / name).read_bytes() == changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda line: "," * line.count(",") + "\n",
            ":3: is no row as `pptsn classify` writes them (it is empty); correct",
        ),
        (lambda line: re.sub(",[0-9a-f]{16},", ",1.23E+15,", line), "(its model is 1.23E+15, as if a spreadsheet"),
        (
            lambda line: line.replace(",", ";"),
            ": has semicolons between its columns, expected commas; save it as CSV with",
        ),
        (
            lambda line: line.replace(",", "\t"),
            ": has tabs between its columns, expected commas; save it as CSV with",
        ),
    ],
)
def test_what_a_spreadsheet_has_spoiled_is_said_in_a_line(
    classify, tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    classify(files=["o.csv"])
    lines = (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    whole = ";" in change(",") or "\t" in change(",")
    changed = "".join(change(line) if whole or number == 2 else line for number, line in enumerate(lines))
    (tmp_path / "o.csv").write_text(changed, encoding="utf-8")
    ended = classify("--resume", files=["o.csv"])
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert said in ended.err
    assert (tmp_path / "o.csv").read_text(encoding="utf-8") == changed


@pytest.mark.parametrize(
    ("digest", "cell"),
    [
        ("0644fda60098a091", "0644fda60098a091"),
        ("1234567890123456", "'1234567890123456"),
        ("0000000000000000", "'0000000000000000"),
        ("12e4567890123456", "'12e4567890123456"),
        ("e123456789012345", "e123456789012345"),
        ("123456789012345e", "123456789012345e"),
    ],
)
def test_a_digest_that_reads_as_a_number_is_text_in_a_table(
    classify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str, cell: str
) -> None:
    monkeypatch.setattr("pptsn.runtime.model.file.digest_of", lambda _: digest + "0" * 48)
    classify(files=["o.csv", "o.jsonl"])
    assert {row["model"] for row in answers(tmp_path / "o.csv") if not row["error"]} == {cell}
    assert {row["model"] for row in answers(tmp_path / "o.jsonl") if "error" not in row} == {digest}
    assert "1 of 6 sources left" in classify("--resume", files=["o.csv", "o.jsonl"]).err
    older = (tmp_path / "o.csv").read_text(encoding="utf-8").replace(f",{cell},", f",{digest},")
    (tmp_path / "o.csv").write_text(older, encoding="utf-8")
    assert "1 of 6 sources left" in classify("--resume", files=["o.csv"]).err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda text: text.encode("utf-16"),
            "o.csv: is in UTF-16, expected UTF-8; save it as CSV with commas in UTF-8",
        ),
        (lambda text: text.replace(",", "\t").encode("utf-16"), "o.csv: is in UTF-16, expected UTF-8"),
        (lambda text: text.replace(",", "\r,", 1).encode(), "o.csv:2: does not say which model"),
        (lambda text: b"\n" + text.encode(), "o.csv:2: does not say which model"),
        (lambda text: b"\0" * 9 + b"\n" + text.encode(), "o.csv:2: does not say which model"),
    ],
)
def test_a_table_of_another_encoding_or_without_a_header_is_refused_and_kept(
    classify, tmp_path: Path, change: Callable[[str], bytes], said: str
) -> None:
    classify(files=["o.csv"])
    changed = change((tmp_path / "o.csv").read_text(encoding="utf-8-sig"))
    (tmp_path / "o.csv").write_bytes(changed)
    ended = classify("--resume", files=["o.csv"])
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert said in ended.err
    assert (tmp_path / "o.csv").read_bytes() == changed
