"""Slowing down who tries one token after the other."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

# Wrong tokens of one place before it has to wait, as who mistypes one should not; then one a second is looked at.
FREE = 5
PAUSE_S = 1.0
# Requests that wait at once, of one place and of all; more are turned away, right or wrong.
WAITING = 4
_WAITING_IN_ALL = 16
# Without a wrong token for so long, a place is as good as any other.
_FORGIVEN_S = 600.0
# What is remembered: places, and wrong tokens of each.
_PLACES = 1024
_TOKENS = 64


@dataclass
class _Guesser:
    """A place that has shown wrong tokens.

    wrong: their digests, oldest first.  last_s: when the last was shown.  waiting: requests that wait for their
    turn.  next_s: when the next one has it.
    """

    wrong: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    last_s: float = 0.0
    waiting: int = 0
    next_s: float = 0.0

    @property
    def forgiven(self) -> bool:
        return time.monotonic() - self.last_s > _FORGIVEN_S


class Guesses:
    """Remembers which places have shown wrong tokens.  To be used in one event loop.

    A place that has shown FREE different ones has its requests looked at one a second: the right token would
    answer a guess, so it waits too.  A wrong token that is shown again is no guess, but a program or a page that
    was not told of the new one: it holds nobody up.
    """

    def __init__(self) -> None:
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()
        self._waiting = 0

    def known_wrong(self, place: str, guess: str) -> bool:
        """Return whether `place` has made `guess` before, and it was wrong."""
        guesser = self._guessers.get(place)
        return guesser is not None and _digest(guess) in guesser.wrong

    async def turn(self, place: str) -> bool:
        """Return once a token of `place` may be looked at; False where too many requests wait for that already."""
        guesser = self._guessers.get(place)
        if guesser is None or len(guesser.wrong) < FREE or guesser.forgiven:
            return True
        if guesser.waiting >= WAITING or self._waiting >= _WAITING_IN_ALL:
            return False
        now_s = time.monotonic()
        turn_s = max(guesser.next_s, now_s)
        guesser.next_s = turn_s + PAUSE_S
        guesser.waiting += 1
        self._waiting += 1
        try:
            await asyncio.sleep(turn_s - now_s)
        finally:
            guesser.waiting -= 1
            self._waiting -= 1
        return True

    def add(self, place: str, guess: str) -> None:
        """Remember that `place` has made `guess`, and that it is wrong."""
        guesser = self._guessers.pop(place, None)
        if guesser is None or guesser.forgiven:
            guesser = _Guesser()
        self._guessers[place] = guesser
        guesser.wrong[_digest(guess)] = None
        guesser.last_s = time.monotonic()
        if len(guesser.wrong) > _TOKENS:
            guesser.wrong.popitem(last=False)
        if len(self._guessers) > _PLACES:
            self._guessers.popitem(last=False)


def _digest(guess: str) -> bytes:
    return sha256(guess.encode()).digest()
