"""What an annotated video is to be: its file, and what is written over its pictures."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.stream.recording.fonts import FontFile


@dataclass(frozen=True)
class Overlay:
    """What the frames from `time_s` on show, until the next overlay.

    time_s: presentation time, in seconds from the session's first frame.
    lines: label and score (0..1) of the leading classes, best first; empty where nothing is known yet.
    class_ids: the numbers of their classes, for labels that cannot be drawn; may be empty.
    event: the label of the event under way, or "".  warming_up: the window is not full yet.
    """

    time_s: float
    lines: tuple[tuple[str, float], ...] = ()
    event: str = ""
    warming_up: bool = False
    class_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class VideoFile:
    """Where the annotated video of a session goes.  font: of its labels; None: Pillow's own, see `text`."""

    path: str
    font: FontFile | None = None
