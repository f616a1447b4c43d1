"""A kind of source that another package adds: one file, found by its entry point."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins.conftest import Run, shown


def test_a_stream_of_a_plugins_source_is_classified(pptsn: Run, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = pptsn("stream", "toy:green?frames=50&name=meadow", "--model", tiny_model, "-o", out)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    predictions = [line for line in lines if line["type"] == "prediction"]
    assert len(predictions) == 4  # two seconds at two a second
    assert {(line["stream"], line["top"][0]["label"]) for line in predictions} == {("meadow", "green")}
    assert lines[-1]["state"] == "ended"


def test_its_errors_are_told_as_ours_are(pptsn: Run, tiny_model: Path) -> None:
    done = pptsn("stream", "toy:mauve", "--model", tiny_model)
    assert done.returncode == 1
    assert "there is no such colour; choose one of red, green, blue" in done.stderr
    assert "internal error" not in done.stderr


def test_its_options_are_checked(pptsn: Run, tiny_model: Path) -> None:
    done = pptsn("stream", "toy:red?size=3x3", "--model", tiny_model)
    expected = "pptsn: error: toy:red?size=3x3: unknown option 'size'; expected one of fps, frames, name\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_a_list_may_hold_it_beside_files(pptsn: Run, tiny_model: Path, tmp_path: Path) -> None:
    names = tmp_path / "list.txt"
    names.write_text("toy:red?frames=25&name=a\ntoy:blue?frames=25&name=b\n")
    done = pptsn("--quiet", "stream", f"@{names}", "--model", tiny_model, "-o", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    top = {(line["stream"], line["top"][0]["label"]) for line in lines if line["type"] == "prediction"}
    assert top == {("a", "red"), ("b", "blue")}


def test_help_and_the_error_for_an_unknown_scheme_name_it(pptsn: Run, tiny_model: Path) -> None:
    assert "toy:COLOUR (pictures in one colour)" in shown(pptsn("stream", "--help").stdout)
    done = pptsn("stream", "ftp://host/x", "--model", tiny_model)
    assert done.returncode == 2
    assert "synthetic:, toy: or a path" in done.stderr


@pytest.mark.slow
def test_a_plugin_that_fails_to_import_hurts_only_who_names_it(pptsn: Run, broken: Path, tiny_model: Path) -> None:
    named = pptsn("stream", "broken:x", "--model", tiny_model, also=broken)
    assert named.returncode == 3
    assert named.stderr == (
        "pptsn: error: plugin broken of broken-plugin: failed to load (RuntimeError: was made for another "
        "version); update or uninstall broken-plugin\n"
    )
    other = pptsn("--quiet", "stream", "toy:red?frames=25", "--model", tiny_model, also=broken)
    assert (other.returncode, other.stderr) == (0, "")
    page = shown(pptsn("stream", "--help", also=broken).stdout)
    assert "toy:COLOUR" in page
    assert "broken" not in page
