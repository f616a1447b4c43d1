"""What MkDocs calls while it builds the site (`hooks` in mkdocs.yml)."""

from __future__ import annotations

from typing import Any

from tools.docs.commands import commands_as_markdown
from tools.docs.kinds import backends_as_markdown, outputs_as_markdown, sources_as_markdown
from tools.docs.rooms import rooms_as_markdown

# A page says by such a comment what stands in its place; read as it lies, on GitHub say, it shows nothing.
_GENERATED = {
    "<!-- generated: backends -->": backends_as_markdown,
    "<!-- generated: commands -->": commands_as_markdown,
    "<!-- generated: outputs -->": outputs_as_markdown,
    "<!-- generated: rooms -->": rooms_as_markdown,
    "<!-- generated: sources -->": sources_as_markdown,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page's text with what is read from the program in the place of its marks."""
    for mark, make in _GENERATED.items():
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown
