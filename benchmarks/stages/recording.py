"""Keeping what the stages of one run report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pptsn.runtime.base.stages import DECODING, FOR_FRAMES, FOR_ROOM, INFERENCE, WAITS


class Recorder:
    """A `stages.Listener` that keeps the seconds of each stage, in the order in which stages ended."""

    def __init__(self) -> None:
        # All there from the start: appending to a list is safe from several threads, adding one would not be.
        self.taken_s: dict[str, list[float]] = {name: [] for name in (*DECODING, *INFERENCE, *WAITS)}

    def took(self, name: str, own_s: float) -> None:
        """Keep one time; raises KeyError for a name that `pptsn.runtime.base.stages` does not list."""
        self.taken_s[name].append(own_s)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What classifying all clips once took.

    taken_s: the seconds of each stage and wait, by its name.  clips: how many were answered.
    wall_s: from the first clip's opening to the last answer's writing.
    done_decoding_s: how much of that was left when the last frame was decoded.
    """

    taken_s: Mapping[str, Sequence[float]]
    clips: int
    wall_s: float
    done_decoding_s: float

    def total_s(self, name: str) -> float:
        """Return the seconds that all events of one stage or wait took together."""
        return sum(self.taken_s[name])

    @property
    def engine_waits_s(self) -> float:
        """How long the engine's thread had no frame to work on."""
        return self.total_s(FOR_FRAMES)

    @property
    def decoding_waits_s(self) -> float:
        """How long decoding stood still: for want of room, or because all was decoded."""
        return self.total_s(FOR_ROOM) + self.done_decoding_s
