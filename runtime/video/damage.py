"""How much of a source came out damaged, in words, and when that is too much for an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pptsn.runtime.base.errors import InputError

# Decoders that mark a picture in which they had to make something up, and no other: found by damaging clips of
# every codec that can be written here, and by none being marked in those of users that are whole.
MARKS_DAMAGE = frozenset(
    {"flv", "h263", "h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "prores"}
)
# These mark every picture of many files that are whole; to them, all means none.
_MARK_ALL = frozenset({"vc1", "wmv2", "wmv3"})
# From this share on, of the frames decoded and of those sampled, an answer would be one about nothing.
_NEARLY_ALL = 0.9


def marks_all(codec: str) -> bool:
    """Return whether a decoder marks whole pictures as damaged, so that all being marked means nothing."""
    return codec in _MARK_ALL


@dataclass(frozen=True)
class Damage:
    """What is known to have come out damaged, of the frames that a source gave so far.

    decoded: frames that were decoded, and packets or pictures that could not be, of which damaged: came out
        damaged or not at all.
    sampled: frames that were asked for, of which sampled_damaged: came out damaged.
    marked: whether the decoder marks damage reliably.
    """

    decoded: int = 0
    damaged: int = 0
    sampled: int = 0
    sampled_damaged: int = 0
    marked: bool = True

    def where_all_are_asked_for(self) -> Damage:
        """Return what this is for one that asks for every frame."""
        return replace(self, sampled=self.decoded, sampled_damaged=self.damaged)

    @property
    def is_nearly_all(self) -> bool:
        """Whether hardly a picture is whole, neither of those decoded nor of those sampled."""
        return (
            self.marked
            and self.damaged >= max(1, _NEARLY_ALL * self.decoded)
            and self.sampled_damaged >= max(1, _NEARLY_ALL * self.sampled)
        )


def require_sound(source: str | Path, damage: Damage) -> None:
    """Raise InputError where nearly all pictures of `source` are damaged."""
    if damage.is_nearly_all:
        cause = (
            f"{damage.damaged} of {damage.decoded} frames are damaged, "
            f"{damage.sampled_damaged} of the {damage.sampled} sampled"
        )
        raise InputError(source, cause, "get a whole copy; `pptsn classify --accept-damaged` takes it as it is")
