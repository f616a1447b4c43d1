"""The small pictures that the page of an earlier run has, for the page that takes its place."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from pptsn.runtime.classify.gallery.names import folder_beside
from pptsn.runtime.classify.gallery.sheets import Place, SheetWriter, sheet_name
from pptsn.runtime.pages.single import data_in_page

INSIDE = "data:image/jpeg;base64,"


class _At(NamedTuple):
    sheet: int
    left: int
    top: int
    width: int
    height: int


class _Clip(msgspec.Struct):
    source: str
    top: list[tuple[int, float]] = []
    margin: float | None = None
    pictures: list[_At] = []


class _Content(msgspec.Struct):
    sheets: list[str]
    clips: list[_Clip]


class EarlierPage:
    """What a page that is there, if one is, knows of clips; one that no gallery wrote knows nothing."""

    def __init__(self, page: Path) -> None:
        self._folder = folder_beside(page)
        content = _Content([], [])
        with suppress(OSError, ValueError):  # ValueError: msgspec's, too
            content = msgspec.json.decode(data_in_page(page.read_bytes()), type=_Content)
        self._addresses = content.sheets
        self._clips = {clip.source: clip for clip in content.clips if clip.pictures}
        self._taken: dict[int, int | None] = {}

    def take(self, row: Mapping[str, Any], sheets: SheetWriter) -> list[Place]:
        """Return where the pictures of the clip with this row lie in `sheets`, to which their sheet is handed on.

        No place where the page has another answer for the clip, as another video of this name gave, or its sheet
        is gone.  Raises OSError where the sheet cannot be written.
        """
        clip = self._clips.get(row["source"])
        if clip is None or not _is_same_answer(clip, row):
            return []
        places = []
        for at in clip.pictures:
            if (number := self._handed_on(at.sheet, sheets)) is None:
                return []
            places.append(Place(number, *at[1:]))
        return places

    def _handed_on(self, number: int, sheets: SheetWriter) -> int | None:
        """Return the number that a sheet of the page has in `sheets` now; None for one that is not there."""
        if number not in self._taken:
            data = self._sheet(number)
            self._taken[number] = None if data is None else sheets.add_sheet(data)
        return self._taken[number]

    def _sheet(self, number: int) -> bytes | None:
        """Return the JPEG of a sheet, in the page or in the folder beside it; None where it is gone."""
        if not 0 <= number < len(self._addresses):
            return None
        address = self._addresses[number]
        with suppress(OSError, binascii.Error):
            if address.startswith(INSIDE):
                return base64.b64decode(address.removeprefix(INSIDE), validate=True)
            if address == sheet_address(self._folder, number):
                return (self._folder / sheet_name(number)).read_bytes()
        return None


def sheet_address(folder: Path, number: int) -> str:
    """Return how a page calls a sheet in the folder beside it."""
    return f"{quote(folder.name)}/{sheet_name(number)}"


def _is_same_answer(clip: _Clip, row: Mapping[str, Any]) -> bool:
    """Whether scores agree, as far as both have them: a file may have fewer classes than a page."""
    top = [tuple(entry) for entry in row.get("top", ())]
    return bool(top) and clip.margin == row["margin"] and all(a == b for a, b in zip(clip.top, top, strict=False))
