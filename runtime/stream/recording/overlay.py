"""What is written over a picture of an annotated video."""

from __future__ import annotations

from dataclasses import dataclass


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
