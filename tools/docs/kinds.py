"""The kinds of sources, outputs and backends as Markdown, with their options, read from their registries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pptsn.runtime.base.options import Option, options_of
from pptsn.runtime.engines.registry import BACKENDS
from pptsn.runtime.stream.sinks.registry import SINKS
from pptsn.runtime.stream.sources.registry import SOURCES
from tools.docs.commands import escaped


def sources_as_markdown() -> str:
    """Return a table of the kinds of sources, then one of their options."""
    kinds = [(kind, f"`{kind.form}`") for kind in _own(SOURCES)]
    return f"{_kinds('source', kinds)}\n\n{_options(kinds)}"


def outputs_as_markdown() -> str:
    """Return a table of the kinds of outputs, then one of their options."""
    kinds = [(kind, ", ".join(f"`{form}`" for form in kind.forms)) for kind in _own(SINKS)]
    return f"{_kinds('output', kinds)}\n\n{_options(kinds)}"


def backends_as_markdown() -> str:
    """Return a table of the backends, with their options."""
    rows = []
    for backend in _own(BACKENDS):
        files = ", ".join(f"`{suffix}`" for suffix in backend.suffixes)
        rows.append(f"| `{backend.name}` | {files} | {escaped(backend.help)} | {_inline_options(backend)} |")
    return "\n".join(["| `--backend` | runs | what it is | options |", "|---|---|---|---|", *rows])


def _inline_options(kind: Any) -> str:
    found = options_of(kind.options).items()
    return "; ".join(
        f"`?{name}=`: {escaped(_help(about))} ({escaped(_values(about))})" for name, (_, about) in found
    )


def _own(registry: Any) -> list[Any]:
    return [registry.instance(name) for name in registry.own_names]


def _kinds(title: str, kinds: Iterable[tuple[Any, str]]) -> str:
    rows = [f"| {kind.name} | {forms} | {escaped(kind.help)} |" for kind, forms in kinds]
    return "\n".join([f"| {title} | written | what it is |", "|---|---|---|", *rows])


def _options(kinds: Iterable[tuple[Any, str]]) -> str:
    """Return a table with a row for each option; kinds with the same one share a row."""
    users: dict[tuple[str, str, str], list[str]] = {}
    for kind, _ in kinds:
        for name, (_, about) in options_of(kind.options).items():
            users.setdefault((name, _help(about), _values(about)), []).append(kind.name)
    rows = [
        f"| `{name}` | {', '.join(names)} | {escaped(text)} | {escaped(expected)} |"
        for (name, text, expected), names in sorted(users.items())
    ]
    return "\n".join(["| option | of | | values |", "|---|---|---|---|", *rows])


def _help(about: Option) -> str:
    return about.help() if callable(about.help) else about.help


def _values(about: Option) -> str:
    """Return what makes sense as a value, in words."""
    return about.expected or getattr(about.parse, "expected", "")
