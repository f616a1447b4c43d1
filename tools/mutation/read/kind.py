"""What can be mutated: a kind of input, whole examples of it, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# From random numbers and whole examples to the content of one file.
Mutate = Callable[[np.random.Generator, Sequence[bytes]], bytes]

# What turns up in documents of any kind, and is hard on who reads them.
_TOKENS = (
    b"", b"\0", b"\n", b"\r\n", b"\t", b" ", b"-", b":", b"{", b"}", b"[", b"]", b'"', b"'", b"&a ", b"*a",
    b"<<: ",
    b"!!python/name:os.system ", b"\xff\xfe", b"\xed\xa0\x80", "\u202e".encode(), b"\x1b[31m", b"null", b"NaN",
    b"Infinity", b"-1", b"0", b"1e999", b"9" * 30, b"9" * 5000, b"0x" + b"f" * 5000, b"[" * 2000, b"a" * 70_000,
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    count: how many are made if nobody says.
    examples: makes whole ones, of which the others are made.
    read: does with a file what the program does; raises PptsnError where it refuses it.
    suffix: of the files' names.
    mutate: makes one from the examples.
    """

    name: str
    count: int
    examples: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path], object]
    suffix: str
    mutate: Mutate


def mutated(rng: np.random.Generator, examples: Sequence[bytes]) -> bytes:
    """Return an example with bits flipped, parts cut, doubled, moved in from another one, and tokens put in."""
    content = bytearray(examples[int(rng.integers(len(examples)))])
    for _ in range(int(rng.integers(1, 6))):
        first, last = sorted(int(place) for place in rng.integers(0, len(content) + 1, size=2))
        kind = rng.integers(6)
        if kind == 0 and first < len(content):
            content[first] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del content[first:last]
        elif kind == 2:
            content[first:first] = content[first:last]
        elif kind == 3:
            other = examples[int(rng.integers(len(examples)))]
            content[first:last] = other[first:last]
        elif kind == 4:
            content[first:first] = _TOKENS[rng.integers(len(_TOKENS))]
        else:
            content[first:last] = _TOKENS[rng.integers(len(_TOKENS))] * int(rng.integers(1, 4))
    return bytes(content)
