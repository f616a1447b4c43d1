"""What a gallery is called, and what else is known of it before there is any; needs no picture."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.errors import UsageError, folder_in_its_place

GALLERY_HELP = (
    "Make a page of all clips at the end: small pictures, scores and, with --evidence, what spoke for them, to "
    "look through, sort and filter in a browser, without a server."
)
# Small pictures of a clip.
PICTURES = 3
_ENDINGS = (".html", ".htm")


def check_gallery_name(name: str) -> None:
    """Raise UsageError where `name` is no name of a page, InputError where it is a folder."""
    if "://" in name:
        raise UsageError("--gallery", "is an address, expected a file", "name one that ends with .html")
    if Path(name).suffix.lower() not in _ENDINGS:
        if Path(name).is_dir():
            raise folder_in_its_place(name)
        raise UsageError(name, "is no name of a page", "name one that ends with .html")


def folder_beside(page: Path) -> Path:
    """Return the folder that has the pictures of a large gallery, `out_files` of `out.html`."""
    return page.with_name(f"{page.stem}_files")
