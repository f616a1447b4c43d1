"""Pickles put together by hand: what no library writes."""

from __future__ import annotations

import struct


def text(content: str) -> bytes:
    """Return the instruction that makes a text."""
    data = content.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def claimed(kind: str, length: int) -> bytes:
    """Return the beginning of a "text", of "bytes" or of a "bytearray" of `length` bytes, none of which follow."""
    return {"text": b"\x8d", "bytes": b"\x8e", "bytearray": b"\x96"}[kind] + struct.pack("<Q", length)


def nested(depth: int) -> bytes:
    """Return a tuple in a tuple in a tuple, `depth` of them."""
    return b")" + b"\x85" * (depth - 1)


def dag(depth: int) -> bytes:
    """Return what takes 5 bytes a level and holds 2^depth things: each tuple holds the one before it twice."""
    return b")" + b"".join(bytes((0x71, level, 0x68, level, 0x86)) for level in range(depth))


def array(
    *,
    code: bytes | None = None,
    order: bytes | None = None,
    shape: bytes = b"K\x02\x85",
    data: bytes = b"C\x08" + bytes(8),
    fortran: bytes = b"\x89",
) -> bytes:
    """Return an array as NumPy pickles it, of two numbers of 4 bytes, with any part replaced."""
    code, order = code or text("f4"), order or text("<")
    dtype = b"cnumpy\ndtype\n" + code + b"\x85R(K\x03" + order + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01" + shape + dtype + fortran + data + b"tb"


def parameters(value: bytes, *, name: bytes | None = None) -> bytes:
    """Return a pickle of one entry."""
    return b"}" + (name or text("a")) + value + b"s."


def slices(*, parts: bytes = b"]", shape: bytes = b")") -> bytes:
    """Return a pickle with a recipe for an array in slices."""
    recipe = b"}" + text("slices") + parts + b"s" + text("OriginShape") + shape + b"s"
    return b"}" + text("UnpackBigParamInfor@@") + b"}" + text("w") + recipe + b"ss."
