"""What README and docs show: code blocks, commands, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, "" for what is typed into a shell, and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Return README and every page of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(language, code) for language, code in _FENCE.findall(text)]


def commands(text: str, program: str) -> Iterator[str]:
    """Yield the arguments of each call of `program`, "pptsn" or "make", in a page's shell blocks and inline code.

    A comment after a command is left out, and so is a program's path.
    """
    lines = [line for block in blocks(text) if not block.language for line in _joined(block.text).splitlines()]
    lines += _INLINE.findall(_FENCE.sub("", text))
    for line in lines:
        found = re.match(rf"(?:\S*/)?{program} (.+)", re.split(r"\s#\s", line)[0].strip())
        if found:
            yield found[1].replace("\\|", "|")


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the anchor of each link and picture that leads to no other host."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as MkDocs and GitHub make them."""
    headings = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in _HEADING.findall(text))
    return {re.sub(r"\s", "-", heading) for heading in headings}


def _joined(text: str) -> str:
    return re.sub(r"\\\n\s*", " ", text)
