"""Checkpoints: real pickles mutated, and programs put together of pickle's instructions at random."""

from __future__ import annotations

import pickle
import pickletools
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pptsn.training.checkpoint.pickles import read_pickle
from tools.mutation.read.kind import Kind, mutated

_COUNT = 400
_MOST_INSTRUCTIONS = 3000
_CODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes if opcode.name != "STOP"]
# Instructions with arguments that make sense, so that a program gets further than its second byte.
_PHRASES = (
    b"}", b"]", b")", b"(", b"K\x01", b"N", b"\x88", b"a", b"s", b"u", b"e", b"t", b"\x85", b"\x86", b"R", b"b",
    b"X\x01\0\0\0a", b"q\0", b"h\0", b"r\xff\xff\xff\x7f", b"C\x08" + bytes(8), b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n", b"cbuiltins\ntuple\n",
    b"ccollections\nOrderedDict\n", b"cos\nsystem\n", b"\x8e" + struct.pack("<Q", 2**40), b"\x94",
)  # fmt: skip


def kinds() -> list[Kind]:
    """Return the kind."""
    return [Kind("checkpoints", _COUNT, _examples, read_pickle, ".pdparams", _crafted)]


def _examples(folder: Path) -> Sequence[bytes]:
    arrays = {f"w{i}": np.full((i + 1, 7), i, np.float32) for i in range(20)}
    return [pickle.dumps(arrays, protocol) for protocol in range(2, 6)]


def _crafted(rng: np.random.Generator, examples: Sequence[bytes]) -> bytes:
    if rng.integers(2):
        return mutated(rng, examples)
    parts = [_PHRASES, _CODES][int(rng.integers(4) == 0)]
    chosen = rng.integers(0, len(parts), size=int(rng.integers(1, _MOST_INSTRUCTIONS)))
    return b"\x80\x04}" + b"".join(parts[i] for i in chosen) + b"."
