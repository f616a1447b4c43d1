"""Videos that chance has broken: bytes changed, left out, doubled, moved; the same for one number and seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

# Of MPEG-TS; a length like any other elsewhere.
_PACKET = 188
_MOST_AT_ONCE = 4096

Mutation = Callable[[random.Random, bytearray], None]


def flip(chance: random.Random, data: bytearray) -> None:
    """Change single bytes, from one to one in fifty."""
    for _ in range(chance.randint(1, max(1, len(data) // 50))):
        data[chance.randrange(len(data))] = chance.randrange(256)


def flip_in_header(chance: random.Random, data: bytearray) -> None:
    """Change some of the first thousand bytes, which say what follows."""
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(min(1000, len(data)))] = chance.randrange(256)


def wipe(chance: random.Random, data: bytearray) -> None:
    """Overwrite stretches with one byte."""
    for _ in range(chance.randint(1, 10)):
        start, length = _stretch(chance, data)
        data[start : start + length] = bytes([chance.choice((0, 255, 0x47))]) * length


def leave_out(chance: random.Random, data: bytearray) -> None:
    """Leave out stretches."""
    for _ in range(chance.randint(1, 10)):
        start, length = _stretch(chance, data)
        del data[start : start + length]


def double(chance: random.Random, data: bytearray) -> None:
    """Write stretches twice."""
    for _ in range(chance.randint(1, 10)):
        start, length = _stretch(chance, data)
        data[start:start] = data[start : start + length]


def swap(chance: random.Random, data: bytearray) -> None:
    """Put packets into each other's place."""
    packets = len(data) // _PACKET
    for _ in range(chance.randint(1, 1 + packets // 4)):
        one, other = (chance.randrange(packets) * _PACKET for _ in range(2))
        here, there = data[one : one + _PACKET], data[other : other + _PACKET]
        data[one : one + _PACKET], data[other : other + _PACKET] = there, here


def cut(chance: random.Random, data: bytearray) -> None:
    """End early, anywhere."""
    del data[chance.randrange(len(data)) :]


def set_numbers(chance: random.Random, data: bytearray) -> None:
    """Write four bytes that many a length, count or time is bad at."""
    for _ in range(chance.randint(1, 30)):
        at = chance.randrange(max(1, len(data) - 4))
        data[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))


MUTATIONS: tuple[Mutation, ...] = (flip, flip_in_header, wipe, leave_out, double, swap, cut, set_numbers)


def mutant(source: Path, number: int, *, seed: int) -> bytes:
    """Return the bytes of `source` as mutant `number` has them, never none."""
    chance = random.Random(f"{seed} {number} {source.name}")
    data = bytearray(source.read_bytes())
    for _ in range(chance.choice((1, 1, 2, 3))):
        if len(data) > 2 * _PACKET:
            chance.choice(MUTATIONS)(chance, data)
    return bytes(data) or b"\0"


def _stretch(chance: random.Random, data: bytearray) -> tuple[int, int]:
    length = min(len(data) // 2, chance.choice((1, _PACKET, chance.randint(1, _MOST_AT_ONCE))))
    return chance.randrange(len(data) - length), length
