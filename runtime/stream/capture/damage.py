"""Noticing a source of which nearly every picture comes out damaged, though pictures go on coming."""

from __future__ import annotations

from collections import deque

from pptsn.runtime.video.damage import marks_all

# How many of the newest pictures are looked at, and how many there must be.
_LOOKED_AT = 25
_FEWEST = 12
# Nearly all of them are; and so few that it is over: around one share the state would come and go.
_BEGINS_SHARE, _ENDS_SHARE = 0.9, 0.5


class DamageWatch:
    """Counts the pictures that came out damaged.  For use by one thread.

    codec: FFmpeg's name of the decoder; of one that calls every picture damaged it means nothing.
    damaged: pictures so far that came out so.  is_damaged: whether nearly all of the newest did, or did not come.
    """

    def __init__(self, codec: str) -> None:
        self.damaged = 0
        self.is_damaged = False
        self._believed = not marks_all(codec)
        self._lost = 0
        self._newest: deque[bool] = deque(maxlen=_LOOKED_AT)

    def add(self, *, corrupt: bool, lost: int) -> None:
        """Take a picture.  corrupt: as its decoder marks it; lost: packets so far that could not be decoded."""
        self._believed |= not corrupt
        damaged = corrupt and self._believed
        self.damaged += damaged
        self._newest.extend([True] * min(lost - self._lost, _LOOKED_AT))
        self._newest.append(damaged)
        self._lost = lost
        share = sum(self._newest) / len(self._newest)
        if self.is_damaged:
            self.is_damaged = share >= _ENDS_SHARE
        else:
            self.is_damaged = share >= _BEGINS_SHARE and len(self._newest) >= _FEWEST
