"""Help that is made when it is asked for: what lists the kinds of a registry imports all plugins."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

# What stands for a text in the help of a parameter, and what returns the text.
_TEXTS: dict[str, Callable[[], str]] = {}


def late(make: Callable[[], str]) -> str:
    """Return what stands for `make()` in the help of a parameter until help is asked for."""
    name = f"{{{make.__module__}.{make.__qualname__}}}"
    _TEXTS[name] = make
    return name


def made(text: str) -> str:
    """Return the help `text` with what `late` put off."""
    for name, make in _TEXTS.items():
        if name in text:
            text = text.replace(name, make())
    return text


class LateHelpCommand(TyperCommand):
    """A command whose parameters' help may hold what `late` returns."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page."""
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                # Rich would take what stands in brackets for markup.
                parameter.help = re.sub(r"(?<!\\)\[", r"\\[", made(text))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)
