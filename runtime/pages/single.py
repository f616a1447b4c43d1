"""Pages that are one file, made without a template engine: style, script and data are in them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from string import Template
from typing import Any

# Pictures and videos beside the page, as `file:` says on a disk and `self` on a server; nothing else is loaded.
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src 'self' file: blob:; "
    "media-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_DATA = "<!--data-->"
# What stands around it in every page.
_BEFORE, _AFTER = b'<script type="application/json" id="data">', b"</script>"


def page_around_data(folder: Path, *, title: str) -> tuple[str, str]:
    """Return what comes before the data and after it in the page of `folder`: `page.html`, `.css` and `.js`.

    The page names $title, $policy, $style and $script, and has `<!--data-->` inside a script of JSON, to be
    filled by `json_in_page`.  Its policy admits that style and that script alone, by their digests.
    """
    html_text, style, script = (
        (folder / f"page.{suffix}").read_text(encoding="utf-8") for suffix in ("html", "css", "js")
    )
    policy = _POLICY.format(script=_digest(script), style=_digest(style))
    page = Template(html_text).substitute(title=html.escape(title), policy=policy, style=style, script=script)
    before, _, after = page.partition(_DATA)
    return before, after


def data_in_page(page: bytes) -> bytes:
    """Return the JSON in a page that was made so, as a browser finds it; nothing for another page."""
    return page.partition(_BEFORE)[2].partition(_AFTER)[0]


def json_in_page(value: Any) -> str:
    """Return `value` as JSON that no browser takes for the end of the script that it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
