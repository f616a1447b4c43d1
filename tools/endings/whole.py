"""Files that are made whole or not at all: which of them are neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.model.export_folder import read_export_spec
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.video import ImageFolderReader
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.datasets.listing import REPORT
from pptsn.training.network.weights import read_checkpoint
from tools.endings.inputs import FRAMES

# Matplotlib's list of fonts, in the folder of caches, which it makes anew where it cannot read it.
_REMADE = "fontlist-"


def broken_files(root: Path) -> Iterator[str]:
    """Yield a line for each file and folder below `root` that is half of something; hidden ones are under way."""
    for path in sorted(root.rglob("*")):
        if path.name.startswith(_REMADE):
            continue
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        check = _BY_NAME.get(path.name) or _BY_SUFFIX.get(path.suffix)
        if check is None or is_hidden or not path.exists():  # a link may lead nowhere
            continue
        try:
            check(path)
        except (PptsnError, ValueError, OSError) as error:
            yield f"{path.name} is not whole: {error}"


def _require_lists(path: Path) -> None:
    """Raise ValueError where what lies beside the report of lists is not what it says."""
    for name, digest in json.loads(path.read_bytes()).get("files", {}).items():
        if sha256_of(path.with_name(name)) != digest:
            raise ValueError(f"{name} is another")


def _require_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("it ends within a page")


def _require_line(path: Path) -> None:
    if not path.read_bytes().endswith(b"\n"):
        raise ValueError("it ends within a line")


def _require_picture(path: Path) -> None:
    if path.read_bytes()[-8:-4] != b"IEND":
        raise ValueError("it ends within a picture")


def _require_frames(path: Path) -> None:
    if path.is_dir() and ImageFolderReader(path).frame_count() != FRAMES:
        raise ValueError("frames are missing")


_BY_NAME: Mapping[str, Callable[[Path], object]] = {
    REPORT: _require_lists,
    "export": read_export_spec,
    "last.pdparams": read_checkpoint,
    "report": lambda path: _require_page(path / "index.html"),
}
_BY_SUFFIX: Mapping[str, Callable[[Path], object]] = {
    ".html": _require_page,
    ".json": lambda path: json.loads(path.read_bytes()),
    ".list": _require_line,
    ".mp4": _require_frames,
    ".onnx": ModelFile.open,
    ".pdparams": read_pickle,
    ".png": _require_picture,
    ".txt": _require_line,
}
