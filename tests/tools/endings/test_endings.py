"""The tool that ends commands finds what is wrong with what they leave; with a few of ours it finds nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tools.docs.commands import all_commands, members
from tools.endings.__main__ import end_all
from tools.endings.checks import complaints, leftovers
from tools.endings.commands import COMMANDS, Command
from tools.endings.ending import ENDINGS, Ended, Place
from tools.endings.inputs import ADDRESS, FRAMES

ROOT = Path(__file__).resolve().parents[3]
CLASSIFY = Command("classify", lambda inputs, output: [], rows=("rows.jsonl", "tabs"))
STOPPED = Ended(code=143, took_s=0.5, came_too_late=False, errors="pptsn: stopped\n", before={}, survivors=())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """What a command leaves that is all right."""
    place = Place(tmp_path)
    place.make()
    (place.output / "rows.jsonl").write_text('{"source": "a"}\n{"source": "b"}\n')
    place.printed.write_text("a\t1\tx\t0.5\n")
    return place


def test_every_command_that_writes_is_ended_in_five_ways(tmp_path: Path) -> None:
    (tmp_path / ADDRESS).write_text("http://127.0.0.1:1")
    lines = [f"{' '.join(['pptsn', *command.arguments(tmp_path, tmp_path)])} " for command in COMMANDS]
    commands = {name for name, command in all_commands() if not members(command)}
    ended = {name for name in commands if any(line.startswith(f"{name} ") for line in lines)}
    # The first two print alone, and a plan needs TensorRT.
    assert commands - ended == {"pptsn convert check", "pptsn weights list", "pptsn convert engine"}
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert len(ENDINGS) == 5
    assert f"with {len(COMMANDS)} commands" in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_nothing_is_said_where_all_is_right(place: Place) -> None:
    ended = replace(STOPPED, before={"rows.jsonl": 32, "printed": 10})
    assert complaints(CLASSIFY, place, "SIGTERM", ended) == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"code": 0}, "exit code 0 (done), expected -15 or 143"),
        ({"code": 7}, "not in the table"),
        ({"errors": "Traceback (most recent call last):\nKeyError: 1"}, "a traceback: KeyError: 1"),
        ({"errors": "pptsn: error: x\n" * 9}, "9 lines of errors"),
        ({"took_s": 9.0}, "took 9.0 s to end"),
        ({"survivors": ("sleep 9",)}, "a process is left: sleep 9"),
        ({"segments": ("psm_1",)}, "shared memory is left: psm_1"),
        ({"before": {"rows.jsonl": 48}}, "rows.jsonl has lost lines: 32 bytes, 48 before the end"),
    ],
)
def test_how_it_ended_is_judged(place: Place, change: dict, cause: str) -> None:
    (line,) = complaints(CLASSIFY, place, "SIGTERM", replace(STOPPED, **change))
    assert cause in line


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("rows.jsonl", '{"source": "a"}\n{"sou', "rows.jsonl ends within a line"),
        ("rows.jsonl", '{"source": "a"}\n{"sou\n', "rows.jsonl has a broken line"),
        ("printed", "a\t1\n", "printed has a broken line"),
        (".rows.jsonl.tmp-1-00000000", "", "left behind: output/.rows.jsonl.tmp-1-00000000"),
        ("../temporary/pymp-x", "", "left behind: temporary/pymp-x"),
        ("model.onnx", "half", "model.onnx is not whole"),
        ("report.json", "{", "report.json is not whole"),
        ("sound.list", "a.mp4 0\nb.m", "sound.list is not whole: it ends within a line"),
        ("w.pdparams", "half", "w.pdparams is not whole"),
        ("../run/best.spec.json", "{", "best.spec.json is not whole"),
        ("../run/.best.spec.json.tmp-1-00000000", "", "left behind: run/.best.spec.json.tmp-1-00000000"),
        ("page.html", "<html><bo", "page.html is not whole: it ends within a page"),
        ("plot.png", "half", "plot.png is not whole: it ends within a picture"),
        ("report/clips.csv", "", "report is not whole"),
        ("lists.report.json", '{"files": {"rows.jsonl": "0"}}', "is not whole: rows.jsonl is another"),
    ],
)
def test_what_it_leaves_is_judged(place: Place, name: str, content: str, cause: str) -> None:
    (place.output / name).parent.mkdir(exist_ok=True)
    (place.output / name).write_text(content)
    found = complaints(CLASSIFY, place, "SIGTERM", STOPPED)
    assert found
    assert all(cause.split()[0] in line for line in found)
    assert any(cause in line for line in found)


def test_a_folder_of_frames_is_whole_or_not_there(place: Place) -> None:
    folder = place.output / "frames" / "x.mp4"
    folder.mkdir(parents=True)
    for number in range(1, FRAMES + 1):
        (folder / f"img_{number:05}.jpg").touch()
    assert complaints(CLASSIFY, place, "SIGTERM", STOPPED) == []
    (folder / f"img_{FRAMES:05}.jpg").unlink()
    assert complaints(CLASSIFY, place, "SIGTERM", STOPPED) == ["x.mp4 is not whole: frames are missing"]


def test_what_a_kill_leaves_is_for_the_next_run_to_clear(place: Place) -> None:
    (place.output / ".rows.jsonl.tmp-1-00000000").touch()
    assert complaints(CLASSIFY, place, "SIGKILL", replace(STOPPED, code=-9)) == []
    assert leftovers(place) == ["left behind: output/.rows.jsonl.tmp-1-00000000"]


@pytest.mark.slow
def test_a_few_commands_leave_nothing_amiss_however_they_end(tmp_path: Path) -> None:
    pytest.importorskip("paddle2onnx")
    few = [command for command in COMMANDS if command.name in ("classify to a file", "convert fp16")]
    assert end_all(tmp_path, few, list(ENDINGS), rng=random.Random(3)) == []
