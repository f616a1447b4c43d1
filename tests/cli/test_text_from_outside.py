"""Names and labels that would do something to a terminal, or break a line, reach none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pptsn.benchmarks.reports.writing import escape
from pptsn.runtime.base.progress import print_detail, print_note, set_verbose
from tests.clips import write_clip
from tests.models import LABELS, write_tiny_model

EVIL = ["\x1b[2J", "\x07", "a\nb", "a\rb", "\u202e", "\u2028", "\x85", "a\tb"]


def shown(text: str) -> list[str]:
    """Return the lines of what was printed, tabs between fields left out."""
    lines = text.split("\n")
    assert lines.pop() == ""
    return [line.replace("\t", "") for line in lines]


@pytest.mark.parametrize("evil", EVIL)
def test_names_and_labels_stay_in_their_line(run, tmp_path: Path, evil: str) -> None:  # type: ignore[no-untyped-def]
    labels = [f"{label}{evil}" for label in LABELS]
    model = write_tiny_model(tmp_path / "model.onnx", labels=tuple(labels))
    clip, broken = write_clip(tmp_path / f"clip{evil}.mp4", frames=8), tmp_path / f"broken{evil}.mp4"
    broken.write_bytes(b"no video")
    ending = run("classify", clip, broken, "--model", model, "--top", 2, "-o", tmp_path / "out.jsonl")
    assert ending.code == 1
    rows = ending.out.splitlines()
    assert [len(row.split("\t")) for row in rows] == [4, 4]
    assert all(map(str.isprintable, shown(ending.out) + shown(ending.err)))
    assert sum(line.startswith("pptsn: error: ") for line in ending.err.splitlines()) == 1
    # JSON has its own way to spell them, which programs undo.
    text = (tmp_path / "out.jsonl").read_text()
    assert all(map(str.isprintable, shown(text)))
    answered, failed = map(json.loads, text.splitlines())
    assert answered["source"] == str(clip)
    assert answered["top"][0]["label"] in labels
    assert failed["source"] == str(broken)


@pytest.mark.parametrize("evil", EVIL)
def test_notes_and_details_stay_in_their_line(capsys: pytest.CaptureFixture[str], evil: str) -> None:
    set_verbose(True)
    try:
        print_note(f"of {evil}x")
        print_detail(f"of {evil}x")
    finally:
        set_verbose(False)
    assert [line.isprintable() for line in shown(capsys.readouterr().err)] == [True, True]


@pytest.mark.parametrize("evil", EVIL)
def test_reports_in_markdown_hold_none_of_it(evil: str) -> None:
    assert escape(f"label {evil}").isprintable()
