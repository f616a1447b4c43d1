"""A kind of sink that another package adds: one file, found by its entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.conftest import Run, shown

PICTURES = "synthetic:?seconds=2&fps=25&size=64x48"


def words(pptsn: Run, tiny_model: Path, out: Path, options: str = "") -> list[str]:
    """Return what the toy has written of two seconds of pictures."""
    done = pptsn("--quiet", "stream", PICTURES, "--model", tiny_model, "-o", f"toy:{out}{options}")
    assert (done.returncode, done.stderr) == (0, "")
    return out.read_text().splitlines()


def test_a_plugins_sink_gets_the_messages_of_a_stream(pptsn: Run, tiny_model: Path, tmp_path: Path) -> None:
    found = words(pptsn, tiny_model, tmp_path / "words")
    assert len([word for word in found if word in ("red", "green", "blue")]) == 4  # two seconds at two a second
    assert found[-1] == "StreamNotice"


def test_its_options_reach_it_and_users_choose_messages(pptsn: Run, tiny_model: Path, tmp_path: Path) -> None:
    found = words(pptsn, tiny_model, tmp_path / "words", "?shout=1&only=predictions")
    assert len(found) == 4
    assert set(found) <= {"RED", "GREEN", "BLUE"}


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("toy:", "toy:: names no file; write toy:FILE"),
        ("toy:x?loud=1", "toy:x: unknown option 'loud'; expected one of only, shout"),
        ("toy:x?shout=2", "toy:x: shout=2 is out of range; expected 0 or 1"),
    ],
)
def test_its_errors_are_told_as_ours_are(pptsn: Run, tiny_model: Path, output: str, error: str) -> None:
    done = pptsn("stream", PICTURES, "--model", tiny_model, "-o", output)
    assert (done.returncode, done.stderr) == (2, f"pptsn: error: {error}\n")


def test_help_and_the_error_for_an_unknown_kind_name_it(pptsn: Run, tiny_model: Path) -> None:
    assert "toy:... (a word a message; ?only=, shout=)" in shown(pptsn("stream", "--help").stdout)
    done = pptsn("stream", PICTURES, "--model", tiny_model, "-o", "x.txt")
    assert done.returncode == 2
    assert "unknown kind of output .txt; expected FILE.jsonl, " in done.stderr
    assert "mqtts://..., toy:..." in done.stderr


@pytest.mark.parametrize("output", ["broken:x", "x.broken"])
def test_a_plugin_that_fails_to_import_is_one_line_to_who_names_it(
    pptsn: Run, broken: Path, tiny_model: Path, output: str
) -> None:
    done = pptsn("stream", PICTURES, "--model", tiny_model, "-o", output, also=broken)
    assert done.returncode == 3
    assert done.stderr == (
        "pptsn: error: plugin broken of broken-plugin: failed to load (RuntimeError: was made for another "
        "version); update or uninstall broken-plugin\n"
    )


@pytest.mark.slow
def test_a_plugin_that_fails_to_import_hurts_nobody_else(
    pptsn: Run, broken: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for output in (f"toy:{tmp_path / 'x'}", tmp_path / "x.jsonl"):
        done = pptsn("--quiet", "stream", PICTURES, "--model", tiny_model, "-o", output, also=broken)
        assert (done.returncode, done.stderr) == (0, "")
    page = shown(pptsn("stream", "--help", also=broken).stdout)
    assert "toy:..." in page
    assert "broken" not in page


def test_a_plugin_that_is_not_named_is_not_imported(
    pptsn: Run, broken: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (broken / "broken_plugin.py").write_text("import os; os._exit(77)")  # ends the program, whatever it does
    output = tmp_path / "x.jsonl"
    done = pptsn("--quiet", "stream", PICTURES, "--model", tiny_model, "-o", output, also=broken)
    assert (done.returncode, done.stderr) == (0, "")
    assert pptsn("stream", PICTURES, "--model", tiny_model, "-o", "broken:x", also=broken).returncode == 77


def test_a_plugin_that_misses_its_library_when_it_is_used_is_one_line(
    pptsn: Run, lazy: Path, tiny_model: Path
) -> None:
    done = pptsn("stream", "toy:red?frames=9", "--model", tiny_model, "-o", "lazy:x", also=lazy)
    assert (done.returncode, done.stderr) == (
        3,
        "pptsn: error: plugin lazy of lazy-plugin: failed to make the output (ModuleNotFoundError: No module "
        "named 'no_such_library'); update or uninstall lazy-plugin\n",
    )
