import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.classify.sinks import JsonLines, Table, shorten_middle
from tests.runtime.classify.test_results import classification


def test_json_lines_are_one_object_a_result(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    with JsonLines.open(str(path), top=1) as sink:
        sink.write(classification(labels=("x", "ärchery", "z")))
        sink.write(Failure("b.mp4", InputError("b.mp4", "is empty")))
        assert not path.exists()
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert first["top"][0]["label"] == "ärchery"
    assert second == {"source": "b.mp4", "error": "b.mp4: is empty"}
    assert list(path.parent.iterdir()) == [path]


def test_a_crash_leaves_the_old_lines(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("old\n")
    with pytest.raises(RuntimeError), JsonLines.open(str(path), top=1) as sink:
        sink.write(classification())
        raise RuntimeError
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_dash_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines.open("-", top=1) as sink:
        sink.write(classification())
    assert json.loads(capsys.readouterr().out)["source"] == "a.mp4"


def printed(width: int, *, terminal: bool, source: str = "a.mp4") -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False)
    table = Table(console, top=2)
    table.write(classification(source=source))
    table.write(classification(source=source))
    return stream.getvalue().splitlines()


def test_a_pipe_gets_tab_separated_fields() -> None:
    lines = printed(40, terminal=False, source="folder/" + "long" * 40 + ".mp4")
    assert len(lines) == 4
    assert lines[0].split("\t")[1:] == ["1", "y", "0.665241"]
    assert lines[0].startswith("folder/long")


@pytest.mark.parametrize("width", [50, 80, 200])
def test_a_terminal_gets_a_table_that_fits(width: int) -> None:
    lines = printed(width, terminal=True, source="folder/" + "long" * 40 + "/clip.mp4")
    assert len(lines) == 5
    assert lines[0].split() == ["source", "label", "score"]
    assert all(len(line.rstrip()) <= width for line in lines)
    assert "clip.mp4" in lines[1]
    assert "0.665" in lines[1]
    assert "long" not in lines[2]


def test_both_ends_of_a_long_name_stay() -> None:
    assert shorten_middle("short", 10) == "short"
    assert shorten_middle("abcdefghijklmnopqrst", 10) == "abc…opqrst"
