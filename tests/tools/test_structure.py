"""The figures of a checkout's structure, on checkouts made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.structure import arrows, circles, circles_of, crowded, describe, imported, modules


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a checkout of the files given, by their paths."""

    def make(**files: str) -> Path:
        for name, text in {"pptsn/__init__": "", **files}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_modules_are_named_as_they_are_imported_whether_reached_by_a_link_or_not(checkout) -> None:
    root = checkout(**{"pptsn/cli/main": "", "runtime/__init__": "", "runtime/a": "", "tools/t": ""})
    (root / "pptsn" / "runtime").symlink_to("../runtime")
    assert set(modules(root)) == {"pptsn", "pptsn.cli.main", "pptsn.runtime", "pptsn.runtime.a", "tools.t"}


def test_imports_at_the_top_inside_functions_and_by_strings_are_told_apart(checkout) -> None:
    text = '"""pptsn.runtime.d"""\nimport os\nif TYPE_CHECKING:\n    import abc\n'
    text += 'def f():\n    from pptsn.runtime import b\n    load("pptsn.runtime.c:C")\n'
    root = checkout(**{"runtime/a": text, "runtime/b": "", "runtime/c": "", "runtime/d": ""})
    path = root / "runtime" / "a.py"
    assert imported(path, root=root, where="top") == {"os"}
    assert imported(path, root=root, where="inside") == {"os", "abc", "pptsn.runtime.b"}
    assert imported(path, root=root) == {"os", "abc", "pptsn.runtime.b", "pptsn.runtime.c"}


def test_a_relative_import_is_refused(checkout) -> None:
    root = checkout(**{"runtime/a": "from . import b\n"})
    with pytest.raises(ValueError, match="relative"):
        imported(root / "runtime" / "a.py", root=root)


@pytest.mark.parametrize(
    ("back", "found"),
    [
        ("import pptsn.runtime.a", (1, 1, 1)),
        ("def f():\n    import pptsn.runtime.a", (0, 1, 1)),
        ("x = 'pptsn.runtime.a'", (0, 0, 1)),
        ("import os", (0, 0, 0)),
    ],
)
def test_circles_are_found_however_they_close(checkout, back: str, found: tuple[int, ...]) -> None:
    root = checkout(**{"runtime/a": "from pptsn.runtime.b import thing\n", "runtime/b": back})
    assert tuple(len(circles(root, where=where)) for where in ("top", "inside", "anywhere")) == found
    assert ("pptsn.runtime.a", "pptsn.runtime.b") in set(arrows(root))


def test_a_package_that_offers_what_its_modules_hold_makes_no_circle(checkout) -> None:
    files = {"runtime/__init__": "from pptsn.runtime.a import A\n", "runtime/a": "from pptsn.runtime import b\n"}
    assert circles(checkout(**files, **{"runtime/b": ""})) == []


def test_longer_circles_are_found() -> None:
    assert circles_of({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles_of({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize(("count", "expected"), [(20, {}), (21, {"runtime/x": 21})])
def test_crowded_folders_are_those_with_more_than_twenty_modules(checkout, count: int, expected) -> None:
    root = checkout(**{f"runtime/x/m{number}": "" for number in range(count)})
    assert crowded(root, lambda module: True) == expected


def test_the_figures_are_described(checkout) -> None:
    root = checkout(**{"runtime/a": "import pptsn.runtime.b\n" * 3, "runtime/b": "x = 1\n", "tools/t": ""})
    described = "\n".join(describe(root))
    assert "product: 3 modules, 4 lines; tools: 1 modules" in described
    assert "under 80 lines with a single importer: 1" in described
