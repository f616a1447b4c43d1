"""What MkDocs calls while it builds the site (`hooks` in mkdocs.yml)."""

from __future__ import annotations

import re
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


# In docstrings, `name: what it is`, or `name, name: what they are`, begins a line or follows two spaces.
_ATTRIBUTES = r"[a-z]\w*(?:, [a-z]\w*)*: "


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page's text with what is read from the program in the place of its marks."""
    for mark, make in _GENERATED.items():
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Return a page with each attribute that a docstring explains on a line of its own, as it is in the source."""
    return re.sub(rf"<p>{_ATTRIBUTES}.*?</p>", _attributes_on_lines, html, flags=re.DOTALL)


def _attributes_on_lines(paragraph: re.Match[str]) -> str:
    return re.sub(rf"(?:\n|  )(?={_ATTRIBUTES})", "<br>\n", paragraph[0])
