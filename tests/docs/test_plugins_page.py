"""The page about plugins: its examples are the package that tests/plugins/ installs, its names exist."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from tests.docs.markdown import ROOT, blocks

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
TOYS = ROOT / "tests" / "plugins"
EXAMPLES = [block.text for block in blocks(PAGE) if block.language == "python"]


def importable() -> dict[str, list[str]]:
    """Return the names that the page calls public, by their modules."""
    rows = re.findall(r"^\| `(pptsn\.[\w.]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", names) for module, names in rows}


def imported(code: str) -> set[tuple[str, str]]:
    """Return the modules and names of `code`'s imports from pptsn."""
    froms = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom))
    return {
        (node.module, alias.name)
        for node in froms
        if node.module and node.module.startswith("pptsn")
        for alias in node.names
    }


def test_the_examples_are_the_package_that_the_tests_install() -> None:
    files = [TOYS / "toy_plugin" / f"{kind}.py" for kind in ("source", "sink", "backend")]
    assert [file.read_text(encoding="utf-8") for file in files] == EXAMPLES


def test_the_project_file_is_that_of_the_package() -> None:
    (shown,) = (block.text for block in blocks(PAGE) if block.language == "toml")
    _, _, code = (
        (TOYS / "pyproject.toml").read_text(encoding="utf-8").partition("\n")
    )  # the first line is a comment
    assert shown == code


@pytest.mark.parametrize("module", importable())
def test_the_names_that_may_be_imported_exist(module: str) -> None:
    missing = [name for name in importable()[module] if not hasattr(importlib.import_module(module), name)]
    assert missing == []


def test_the_examples_import_only_what_is_public() -> None:
    public = {(module, name) for module, names in importable().items() for name in names}
    found = set().union(*map(imported, EXAMPLES))
    assert len(found) > 15
    assert found - public == set()


def test_the_classes_of_a_plugin_are_described() -> None:
    described = set(re.findall(r"^::: pptsn\.[\w.]*\.(\w+)$", PAGE, re.MULTILINE))
    bases = {base for code in EXAMPLES for base in _bases(code)}
    assert {"SourceKind", "OpenSource", "SinkKind", "MessageOptions", "Backend", "Engine"} <= bases
    assert bases - described == {"Sink"}  # which is on the page of the Python API


def _bases(code: str) -> set[str]:
    """Return the names of the classes that those of `code` are made from."""
    classes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ClassDef))
    return {ast.unparse(base).partition("[")[0] for node in classes for base in node.bases}
