"""The rooms of the code as Markdown: their order from the test that holds it, their purpose from themselves."""

from __future__ import annotations

import ast
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_TEST = _ROOT / "tests" / "test_imports.py"


def rooms() -> tuple[tuple[str, ...], ...]:
    """Return ROOMS of tests/test_imports.py: from the ground up, those of one entry side by side."""
    for node in ast.parse(_TEST.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "ROOMS" for name in node.targets):
            found: tuple[tuple[str, ...], ...] = ast.literal_eval(node.value)
            return found
    raise ValueError(f"{_TEST} has no ROOMS")


def purpose(room: str) -> str:
    """Return the first line of what a room, a package or a module, says of itself; "" where it says nothing."""
    path = _ROOT.joinpath(*room.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return described.partition("\n\n")[0].replace("\n", " ")


def rooms_as_markdown() -> str:
    """Return a table of the rooms, from the top downwards: each imports only those below it."""
    rows = [f"| `{room}` | {purpose(room)} |" for entry in reversed(rooms()) for room in entry]
    return "\n".join(["| room | what it holds |", "|---|---|", *rows])
