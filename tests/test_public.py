"""What `import pptsn` offers: to programs, to people who look around, and to type checkers."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import pptsn

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", pptsn.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(pptsn, name)
    assert value.__name__ == name
    assert value.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pptsn.nonsense


def test_dir_completion_and_help_know_every_public_name() -> None:
    assert set(pptsn.__all__) < set(dir(pptsn))
    shown = pydoc.plain(pydoc.render_doc(pptsn))
    assert "FUNCTIONS" in shown
    for name in pptsn.__all__:
        assert name in shown
    assert "Classify" in shown or "classify" in shown


@pytest.mark.parametrize("given", ["m.onnx", Path("m.onnx")])
def test_a_path_where_an_engine_is_due_is_told_with_what_takes_it(given: str | Path) -> None:
    with pytest.raises(TypeError, match=r"^Recognizer takes an Engine, not .*Recognizer\.open\('m\.onnx'\)$"):
        pptsn.Recognizer(given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^StreamPipeline takes an Engine, not .* open_engine\('m\.onnx'\)$"):
        pptsn.StreamPipeline(given, pptsn.StreamSettings())  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 3, object()])
def test_whatever_else_is_no_engine_is_told_too(given: object) -> None:
    with pytest.raises(TypeError, match=r"is opened by Recognizer\.open\(PATH\)$"):
        pptsn.Recognizer(given)  # type: ignore[arg-type]


def test_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from pptsn import *", names)  # noqa: S102
    assert set(pptsn.__all__) <= set(names)


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(pptsn.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == pptsn._HOMES


@pytest.mark.parametrize("way", [["-c", "from pptsn import Recognizer"], ["-m", "pptsn", "--version"]])
def test_files_of_a_user_called_like_our_folders_do_no_harm(way: list[str], tmp_path: Path) -> None:
    for name in ("runtime", "training", "convert", "benchmarks", "tools"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the file of the user was imported')\n")
    run = subprocess.run([sys.executable, *way], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
