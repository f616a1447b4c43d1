"""Names and labels that would do something to a terminal, or break a line, reach none."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import pptsn.cli
from pptsn.benchmarks.reports.writing import escape
from pptsn.runtime.base.progress import LineConsole, print_detail, print_note, set_verbose
from pptsn.runtime.doctor import examine, render
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
    assert [len(row.split("\t")) for row in rows] == [5, 4, 4]
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


def printing_calls(path: Path) -> set[str]:
    """Return the calls in a source file by which lines could reach a terminal as they are."""
    tree = ast.parse(path.read_text())
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return called & {"print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write", "rich.print"}


def test_commands_print_in_one_place_alone() -> None:
    folder = Path(pptsn.cli.__file__).parent
    found = {str(path.relative_to(folder)): printing_calls(path) for path in folder.rglob("*.py")}
    assert {name: calls for name, calls in found.items() if calls} == {
        "lines.py": {"typer.echo"},
        "program.py": {"print", "typer.echo"},  # its version, and errors, each made one line there
    }


@pytest.mark.parametrize("evil", EVIL)
def test_what_commands_say_of_files_stays_in_its_line(run, tmp_path: Path, evil: str) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / f"of {evil}x"
    folder.mkdir()
    model = write_tiny_model(folder / "model.onnx", labels=tuple(f"{label}{evil}" for label in LABELS))
    lines = 0
    for command in (
        ["convert", "check", model],
        ["convert", "fp16", model, "-o", folder / "half.onnx"],
        ["verify", folder / "half.onnx"],
        ["weights", "list"],
        ["classify", folder, "--model", model],
        ["export", "--weights", model, "-o", folder / "export"],
        ["convert", "onnx", model, "-o", folder / "other.onnx"],
    ):
        ending = run(*command)
        said = shown(f"{ending.out}\n" if ending.out and ending.out[-1] != "\n" else ending.out or "\n")
        assert all(map(str.isprintable, [*said, *shown(ending.err or "\n")])), command
        lines += len(said)
    assert lines > 8


def test_the_tables_of_the_doctor_hold_none_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    evil, findings = "x".join(EVIL), examine()
    findings["engines"][0] |= {"name": evil, "device": evil, "works": False, "problem": evil}
    findings["packages"][0] |= {"version": evil, "purpose": evil}
    render(findings, LineConsole(highlight=False, width=400))
    assert all(map(str.isprintable, shown(capsys.readouterr().out)))
