"""The structure of a checkout in figures: modules, lines, crowded folders, circles of imports.

    python -m tools.structure [CHECKOUT]

Imports are read from the sources: those at a module's top, those inside functions, and those by a name in a
string.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import median, quantiles

_FOLDERS = ("pptsn", "runtime", "training", "convert", "benchmarks", "tools")
_MOST_MODULES, _LONG_FILE, _DRAWER = 20, 350, 80


@cache
def modules(root: Path) -> Mapping[str, Path]:
    """Return every module of the product and of the tools in the checkout `root`, by its name."""
    is_package = (root / "pptsn").is_dir()  # before, each folder was a package of its own
    found = {} if is_package else {"pptsn": root / "pptsn.py"}
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[0] == "pptsn" and len(parts) > 2 and parts[1] != "cli":
                continue  # by way of a link
            package = () if parts[0] in ("pptsn", "tools") or not is_package else ("pptsn",)
            found[".".join((*package, *parts)).removesuffix(".__init__")] = path
    return found


@cache
def imported(path: Path, *, root: Path, where: str = "anywhere") -> frozenset[str]:
    """Return every module that a file imports.

    where: "top" for what is imported with the module itself, "inside" adds imports inside functions, "anywhere"
    adds strings that are the name of a module of the project with a dot in it, or "module:attribute".
    Raises ValueError for a relative import.
    """
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in _top(tree) if where == "top" else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: a relative import")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    if where == "anywhere":
        names |= _named_in_strings(tree, {name for name in modules(root) if "." in name})
    return frozenset(names)


def _top(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what runs with the import: not what is inside functions, nor for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            if not is_function and not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
                waiting.append(child)


def _named_in_strings(tree: ast.Module, dotted: set[str]) -> set[str]:
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    return {str(node.value).partition(":")[0] for node in strings} & dotted


def module_of(name: str, known: Mapping[str, Path]) -> str | None:
    """Return the module of the project that an imported name is, or is found in."""
    while name not in known:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


def arrows(root: Path, *, where: str = "anywhere") -> Iterator[tuple[str, str]]:
    """Yield every import of one module of the project by another."""
    known = modules(root)
    for module, path in known.items():
        for target in {module_of(name, known) for name in imported(path, root=root, where=where)}:
            if target is not None and target != module:
                yield module, target


def circles(root: Path, *, where: str = "anywhere") -> list[list[str]]:
    """Return the circles of imports; a package that imports its own modules, to offer them, makes none."""
    graph: dict[str, set[str]] = {}
    for module, target in arrows(root, where=where):
        if not module.startswith(f"{target}."):
            graph.setdefault(module, set()).add(target)
    return circles_of(graph)


def circles_of(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return one circle for each edge that closes one, by a walk in depth."""
    done: set[str] = set()
    found: list[list[str]] = []

    def walk(node: str, way: list[str]) -> None:
        if node in way:
            found.append([*way[way.index(node) :], node])
        elif node not in done:
            for target in sorted(graph.get(node, ())):
                walk(target, [*way, node])
            done.add(node)

    for node in sorted(graph):
        walk(node, [])
    return found


def crowded(root: Path, belongs: Callable[[str], bool]) -> dict[str, int]:
    """Return the folders with more modules than a reader takes in, and how many they hold."""
    counts = Counter(path.parent for name, path in modules(root).items() if belongs(name))
    return {str(folder.relative_to(root)): count for folder, count in counts.items() if count > _MOST_MODULES}


def lines(path: Path) -> int:
    """Return how many lines a file has."""
    return len(path.read_text().splitlines())


def describe(root: Path) -> Iterator[str]:
    """Yield the figures, a line each."""
    product = {name: path for name, path in modules(root).items() if not name.startswith("tools")}
    counts = sorted(lines(path) for path in product.values())
    others = len(modules(root)) - len(product)
    packages = sum(path.name == "__init__.py" for path in product.values())
    yield f"product: {len(product)} modules, {sum(counts)} lines; tools: {others} modules"
    yield f"of the product's modules {packages} are a package's own file"
    yield f"lines a module: median {median(counts):.0f}, p90 {quantiles(counts, n=10)[-1]:.0f}, most {counts[-1]}"
    for folder in ("runtime", "training", "convert", "benchmarks"):
        below = [path for path in product.values() if path.is_relative_to(root / folder)]
        yield f"  {folder}: {len(below)} modules, {sum(map(lines, below))} lines"
    importers = Counter(target for _, target in set(arrows(root)))
    drawers = [name for name, path in product.items() if importers[name] == 1 and lines(path) < _DRAWER]
    yield f"under {_DRAWER} lines with a single importer: {len(drawers)}"
    yield f"over {_LONG_FILE} lines: {sum(count > _LONG_FILE for count in counts)}"
    yield f"folders over {_MOST_MODULES} modules: {crowded(root, lambda name: name in product) or 'none'}"
    for where in ("top", "inside", "anywhere"):
        found = circles(root, where=where)
        yield f"circles, imports {where}: {len(found)}{''.join(f' [{chr(62).join(one)}]' for one in found[:3])}"


if __name__ == "__main__":
    for line in describe(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()):
        print(line)
