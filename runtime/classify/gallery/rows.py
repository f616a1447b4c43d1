"""What the page of a gallery knows of each clip; its script, `page.js`, reads the same short names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pptsn.runtime.base.errors import one_line
from pptsn.runtime.classify.gallery.sheets import Place

# Of the leading classes.
SHOWN = 5
# Of scores and parts; more than a page shows.
_DECIMALS = 4


def row_of(source: str, fields: Mapping[str, Any], places: Iterable[Place], folder: Path) -> dict[str, Any]:
    """Return what the page says of one clip.

    fields: its line in `.jsonl`, see `Classification.to_dict` and `Failure.to_dict`.  places: of its pictures.
    folder: where the page is.
    """
    row: dict[str, Any] = {"source": one_line(fields["source"]), **_address(source, folder)}
    if fields.get("truth") is not None:
        row["label"], row["right"] = one_line(fields["truth"]["label"]), fields["right"]
    if fields.get("error") is not None:
        return {**row, "error": one_line(fields["error"])}
    row["top"] = [[entry["class_id"], round(entry["score"], _DECIMALS)] for entry in fields["top"][:SHOWN]]
    row["margin"] = round(fields["margin"], _DECIMALS)
    row["seconds"] = fields["duration_s"]
    if pictures := [[at.sheet, at.left, at.top, at.width, at.height] for at in places]:
        row["pictures"] = pictures
    if fields.get("warnings"):
        row["warnings"] = [one_line(warning) for warning in fields["warnings"]]
    if fields.get("evidence") is not None:
        row["evidence"] = _evidence(fields["evidence"])
    return row


def _evidence(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "frames": [[at["frame"], at["time_s"], round(at["part"], _DECIMALS)] for at in fields["frames"]],
        "crops": [[at["crop"], round(at["part"], _DECIMALS)] for at in fields["crops"]],
    }


def _address(source: str, folder: Path) -> dict[str, str]:
    """Return the way from the page to a source that is a file."""
    try:
        if not os.path.isfile(source):  # noqa: PTH113 - which takes names that no file can have
            return {}
    except ValueError:
        return {}
    return {"address": quote(os.fsencode(os.path.relpath(source, folder)))}
