"""The clips that a sweep is measured on: a list with labels or without, or a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.lists import evenly, read_any_list
from pptsn.runtime.classify.source_lists import list_entries
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.decoding.clips import Excerpt, Source

# Lines to look at for whether a list has labels; the clips that the first ones name may be missing.
_LINES_TO_GUESS = 100


@dataclass(frozen=True)
class Clip:
    """One clip: its path, how many frames of a folder of frames belong to it, and its class; None if not said."""

    path: str
    frames: int | None = None
    label: int | None = None

    @property
    def source(self) -> Source:
        """What stands for it in `pptsn.runtime.decoding.clips.clip_frames`."""
        return self.path if self.frames is None else Excerpt(Path(self.path), self.frames)


def read_clips(path: str | Path, *, limit: int | None = None) -> tuple[Clip, ...]:
    """Return the clips of the list at `path`, or of a folder, as absolute paths; either all have labels or none.

    A list with labels has lines `path label` or `directory frame_count label` (`lists.read_any_list`), one
    without has a path a line (`sources.expand_sources`).  limit: take as many, evenly spread.
    Raises InputError for a list that cannot be used or names nothing, UsageError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError("--limit", f"expected at least 1 clip, got {limit}")
    clips = _labelled(path) if _has_labels(Path(path)) else _unlabelled(path)
    return tuple(clips if limit is None else evenly(clips, limit))


def name_of(clips: Sequence[Clip]) -> str:
    """Return what to call `clips` in a report: their number, and a mark of which they are and of their labels.

    The mark does not depend on the folder that they lie in.
    """
    lines = [f"{Path(clip.path).name} {clip.frames} {clip.label}" for clip in clips]
    mark = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:6]
    return f"{len(clips)} #{mark}"


def _has_labels(path: Path) -> bool:
    """Whether the first line that tells ends in a number and is not, as a whole, a file that is there."""
    if path.is_dir():
        return False
    try:
        entries = [entry for _, entry in list_entries(path)]
    except InputError:  # reading it as a list will say so
        return True
    for entry in entries[:_LINES_TO_GUESS]:
        if (path.parent / entry).exists():
            return False
        fields = entry.rsplit(maxsplit=1)
        if len(fields) == 2 and fields[1].isdecimal():
            return True
    return False


def _labelled(path: str | Path) -> list[Clip]:
    return [Clip(os.path.abspath(s.path), s.frames, s.label) for s in read_any_list(path)]  # noqa: PTH100


def _unlabelled(path: str | Path) -> list[Clip]:
    clips = []
    for source in expand_sources([str(path) if Path(path).is_dir() else f"@{path}"]):
        if isinstance(source, InputError):
            raise source
        if not isinstance(source, str):
            raise InputError(source, "is no file of this machine", "download it first")
        clips.append(Clip(os.path.abspath(source)))  # noqa: PTH100 - a link stays one, as the list names it
    return clips
