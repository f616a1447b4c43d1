"""Annotation files in the published formats, and folders of clips as crawlers leave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

HEADER = "label,youtube_id,time_start,time_end,split,is_cc"


def write_csv(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def touch(root: Path, *names: str) -> Path:
    """Make empty files: what makes lists looks at names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def frame_folder(folder: Path, numbers: Iterable[int]) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f"img_{number:05}.jpg").touch()
    return folder


def write_ucf101(folder: Path, classes: Iterable[str], lists: Mapping[str, str]) -> Path:
    """Write classInd.txt and the six lists, each line of which ends as in the published files."""
    folder.mkdir()
    names = "".join(f"{number} {name}\r\n" for number, name in enumerate(classes, 1))
    (folder / "classInd.txt").write_bytes(names.encode())
    for fold in (1, 2, 3):
        for part in ("train", "test"):
            name = f"{part}list{fold:02d}.txt"
            (folder / name).write_bytes(lists.get(name, "").replace("\n", "\r\n").encode())
    return folder
