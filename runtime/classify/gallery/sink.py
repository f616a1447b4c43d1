"""The gallery as an output: it gathers rows and pictures on the disk, and makes the page of them at the end."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import InputError, one_line, reason_of
from pptsn.runtime.base.files import atomic_file, atomic_folder, refuse_other_content, require_writable
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.classify.gallery.earlier import INSIDE, EarlierPage, sheet_address
from pptsn.runtime.classify.gallery.names import check_gallery_name, folder_beside
from pptsn.runtime.classify.gallery.rows import SHOWN, row_of
from pptsn.runtime.classify.gallery.sheets import Place, SheetWriter, sheet_name
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.pages.single import json_in_page, page_around_data
from pptsn.runtime.video.names import number_of

# Of more pictures than this the page has links to files in a folder beside it.
_MOST_INSIDE_BYTES = 6_000_000
# 400,000 clips have fewer.
_MOST_SHEETS = 10_000


class Gallery:
    """Takes results as they come; the page is made when its block ends, whatever ends it, whole or not at all.

    Memory: the pictures of some fifty clips; the others lie in a hidden folder beside the page until then.
    """

    def __init__(self, page: Path, work: Path) -> None:
        self._page, self._work = page, work
        self._rows = (work / "rows").open("w+", encoding="utf-8", errors="backslashreplace")
        self._sheets = SheetWriter(work)
        self._labels: dict[int, str] = {}
        self._count = self._unseen = 0
        self._is_broken = False

    @classmethod
    @contextmanager
    def open(
        cls, name: str, *, about: Mapping[str, str], answered: Iterable[Mapping[str, Any]] = ()
    ) -> Iterator[Gallery]:
        """Yield a gallery that is in the file `name` after the block; one without results leaves that alone.

        about: what else the page says of all clips, `model` and `looked_at`; and in which order it opens, if not
            in that of the results: `order`, one that the page offers.
        answered: the answers of earlier runs that are to be in it, too, each by its line in `.jsonl`: they come
            first, with the pictures that the page has of them which is there now.
        Raises UsageError and InputError where it cannot be written, before or at the end.
        """
        check_gallery_name(name)
        page = Path(name)
        require_writable(page)
        _refuse_other_pictures(page)
        page.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(page) as work:
            gallery = cls(page, work)
            gallery._add_earlier(answered)
            try:
                yield gallery
            finally:
                gallery._finish(about)

    def write(self, result: Classification | Failure) -> None:
        """Take one result; raises InputError where there is no room for it, and then there is no page."""
        try:
            places = self._sheets.add(result.pictures) if isinstance(result, Classification) else []
            self._add(result.source, result.to_dict(top=SHOWN), places)
        except OSError as error:
            self._is_broken = True
            raise self._unwritable(error) from error

    def _add_earlier(self, answered: Iterable[Mapping[str, Any]]) -> None:
        page: EarlierPage | None = None
        try:
            for fields in answered:
                page = page or EarlierPage(self._page)
                places = page.take(row_of(fields["source"], fields, [], self._page.parent), self._sheets)
                self._unseen += fields.get("error") is None and not places
                self._add(fields["source"], fields, places)
        except OSError as error:
            raise self._unwritable(error) from error

    def _add(self, source: str, fields: Mapping[str, Any], places: list[Place]) -> None:
        row = row_of(source, fields, places, self._page.parent)
        self._rows.write(f"{',' if self._count else ''}\n{json_in_page(row)}")
        self._labels.update((entry["class_id"], one_line(entry["label"])) for entry in fields.get("top", ()))
        self._count += 1

    def _finish(self, about: Mapping[str, str]) -> None:
        try:
            if self._count and not self._is_broken:
                self._sheets.close()
                self._rows.flush()
                self._rows.seek(0)
                self._publish(about)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with suppress(OSError):  # it still holds what found no room
                self._rows.close()

    def _publish(self, about: Mapping[str, Any]) -> None:
        sheets = [self._work / sheet_name(number) for number in range(self._sheets.count)]
        inside = sum(sheet.stat().st_size for sheet in sheets) <= _MOST_INSIDE_BYTES
        folder = folder_beside(self._page)
        _refuse_other_pictures(self._page)
        with atomic_file(self._page) as temporary:
            with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
                title = f"{self._page.stem}: {number_of(self._count, 'clip')}"
                before, after = page_around_data(Path(__file__).parent, title=title)
                about = {**about, "labels": self._labels, "note": self._note()}
                file.write(f'{before}{{"about":{json_in_page(about)},\n"sheets":[')
                for number, sheet in enumerate(sheets):
                    address = _inside(sheet) if inside else sheet_address(folder, number)
                    file.write(f"{',' if number else ''}{json_in_page(address)}")
                file.write('],\n"clips":[')
                for line in self._rows:
                    file.write(line)
                file.write(f"]}}{after}")
                file.flush()
                os.fsync(file.fileno())
            # The page is whole and on the disk: what follows are renames.
            if inside:
                shutil.rmtree(folder, ignore_errors=True)  # of a larger gallery of this name
                return
            with atomic_folder(folder) as pictures:
                for sheet in sheets:
                    sheet.rename(pictures / sheet.name)

    def _note(self) -> str:
        if not self._unseen:
            return ""
        return f"{number_of(self._unseen, 'clip')} of an earlier run, without pictures here"

    def _unwritable(self, error: OSError) -> InputError:
        cause = f"cannot be written ({reason_of(error)})"
        return InputError(self._page, cause, "make room, and classify the clips again")


def _inside(sheet: Path) -> str:
    return f"{INSIDE}{base64.b64encode(sheet.read_bytes()).decode()}"


def _refuse_other_pictures(page: Path) -> None:
    """Raise UsageError where the folder for pictures holds anything else, which would be lost."""
    names = frozenset(sheet_name(number) for number in range(_MOST_SHEETS))
    refuse_other_content(folder_beside(page), names, what="gallery's pictures")
