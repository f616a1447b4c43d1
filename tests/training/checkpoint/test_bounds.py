"""What a checkpoint may cost: crafted pickles, each fault varied from none to far beyond what is allowed."""

from __future__ import annotations

import itertools
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.training.checkpoint import instructions
from pptsn.training.checkpoint.pickles import read_pickle
from tests.training.crafted import array, claimed, dag, nested, parameters, slices, text

FEW_BYTES = 2_000_000


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "a.pdparams"
    path.write_bytes(content)
    return path


def _peak_of(path: Path) -> tuple[int, str]:
    """Return the most bytes that reading `path` held at a time, and its error or ""."""
    tracemalloc.start()
    try:
        read_pickle(path)
    except ModelError as error:
        return tracemalloc.get_traced_memory()[1], str(error)
    else:
        return tracemalloc.get_traced_memory()[1], ""
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("arrays", [0, 1, 7, 40])
def test_reading_takes_at_most_three_times_the_file(tmp_path: Path, protocol: int, arrays: int) -> None:
    rng = np.random.default_rng(protocol)
    content = {f"w{i}": rng.normal(size=(64, 64, 9)).astype(np.float32) for i in range(arrays)}
    path = _write(tmp_path, pickle.dumps(content, protocol))
    peak, error = _peak_of(path)
    assert not error
    assert peak < 3 * path.stat().st_size + FEW_BYTES


@pytest.mark.parametrize("number", [0, 1, 255, 2**16, 2**27, 2**31 - 1])
def test_a_number_in_the_memo_takes_no_room(tmp_path: Path, number: int) -> None:
    remembered = b"}" + text("a") + b"r" + struct.pack("<I", number) + b"j" + struct.pack("<I", number) + b"s."
    peak, error = _peak_of(_write(tmp_path, remembered))
    assert "its entry 'a' is a str" in error
    assert peak < FEW_BYTES


@pytest.mark.parametrize("length", [0, 3, 2**20, 2**31, 2**48, 2**63 - 1, 2**63])
@pytest.mark.parametrize("kind", ["text", "bytes", "bytearray"])
def test_a_length_that_is_claimed_takes_no_room(tmp_path: Path, kind: str, length: int) -> None:
    peak, error = _peak_of(_write(tmp_path, b"\x80\x05}" + text("a") + claimed(kind, length) + b"s."))
    assert ("its entry 'a' is a" if length == 0 else "is no readable pickle") in error
    assert peak < FEW_BYTES


@pytest.mark.parametrize("depth", [1, 2, 40, 1_000, 100_000])
@pytest.mark.parametrize("as_key", [False, True])
def test_no_depth_ends_the_process(tmp_path: Path, depth: int, as_key: bool) -> None:
    entry = nested(depth) + b"K\x01" if as_key else text("a") + nested(depth)
    with pytest.raises(ModelError, match="holds a key that is a tuple" if as_key else "its entry 'a' is a tuple"):
        read_pickle(_write(tmp_path, b"}" + entry + b"s."))


# Each stands where something would hash, compare or print it; a dag of depth n holds 2^n things.
_PLACES = {
    "key": lambda thing: b"}" + thing + b"K\x01s.",
    "key of a dict by call": lambda thing: b"ccollections\nOrderedDict\n(]" + thing + b"K\x01\x86a\x85R.",
    "entry": lambda thing: parameters(thing),
    "content": lambda thing: thing + b".",
    "type": lambda thing: parameters(array(code=thing)),
    "state of the type": lambda thing: parameters(array(order=thing)),
    "shape": lambda thing: parameters(array(shape=thing)),
    "bytes": lambda thing: parameters(array(data=thing)),
    "memory order": lambda thing: parameters(array(fortran=thing)),
    "state": lambda thing: parameters(b"cnumpy.core.multiarray\n_reconstruct\n)R" + thing + b"b"),
    "encoding": lambda thing: parameters(b"c_codecs\nencode\n" + text("a") + thing + b"\x86R"),
    "slices": lambda thing: slices(parts=thing),
    "shape of slices": lambda thing: slices(shape=thing),
    "recipe": lambda thing: b"}" + text("UnpackBigParamInfor@@") + thing + b"s.",
    "call": lambda thing: parameters(thing + b")R"),
    "arguments": lambda thing: parameters(b"cbuiltins\ntuple\n" + thing + b"\x85R"),
    "name of a function": lambda thing: parameters(thing + text("x") + b"\x93"),
}


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("depth", [0, 1, 8, 64])
def test_what_is_shared_is_neither_hashed_nor_printed(tmp_path: Path, place: str, depth: int) -> None:
    path = _write(tmp_path, _PLACES[place](dag(depth)))
    if place == "memory order":  # whatever is not true is C
        assert read_pickle(path)["a"].shape == (2,)
        return
    with pytest.raises(ModelError) as caught:
        read_pickle(path)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("uses", [0, 1, 2, 10, 1000])
@pytest.mark.parametrize("protocol", [2, 4])
def test_the_same_bytes_make_no_more_than_the_file_holds(tmp_path: Path, uses: int, protocol: int) -> None:
    size = 1_500_000
    data = text("b" * size) if protocol == 2 else b"\x8e" + struct.pack("<Q", size) + bytes(size)
    pairs = b"".join(
        text(f"w{i}") + array(data=b"h\x63", code=text("u1"), shape=b"J" + struct.pack("<i", size) + b"\x85")
        for i in range(uses)
    )
    path = _write(tmp_path, b"\x80\x04" + data + b"q\x63" + b"}(" + pairs + b"u.")
    peak, error = _peak_of(path)
    assert bool(error) is (uses > 1), error
    assert "more bytes than the file has" in error or not error
    assert peak < 3 * path.stat().st_size + 2 * FEW_BYTES


@pytest.mark.parametrize("instruction", [b"]", b"}\x94", b"N", b"G" + bytes(8), b"\x8c\x01a"])
@pytest.mark.parametrize("count", [0, 999, 1_001, 50_000])
def test_instructions_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instruction: bytes, count: int
) -> None:
    monkeypatch.setattr(instructions, "MOST_INSTRUCTIONS", 1_003)
    done = count // (2 if b"\x94" in instruction else 1)
    path = _write(tmp_path, instruction * done + b"}.")
    if count < 1_003 and done + 2 <= 1_003:
        assert read_pickle(path) == {}
        return
    peak, error = _peak_of(path)
    assert "more than 1003 instructions" in error
    assert peak < FEW_BYTES


@pytest.mark.parametrize("length", [0, 1, 500, 501, 100_000])
def test_names_are_bounded(tmp_path: Path, length: int) -> None:
    path = _write(tmp_path, parameters(array(), name=text("n" * length)))
    if length <= 500:
        assert list(read_pickle(path)) == ["n" * length]
        return
    with pytest.raises(ModelError, match="more than 500 characters") as caught:
        read_pickle(path)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("evil", ["\x1b[31mred", "two\nlines", "a\u202eb", "x" * 10_000, "é\x07"])
def test_what_a_file_names_reaches_no_terminal_as_it_is(tmp_path: Path, evil: str) -> None:
    for content in (
        parameters(text(evil) + text("y") + b"\x93"),
        parameters(b"N", name=text(evil)),
        parameters(array(code=text(evil))),
    ):
        with pytest.raises(ModelError) as caught:
            read_pickle(_write(tmp_path, content))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_numbers_that_no_array_holds_are_refused(tmp_path: Path) -> None:
    for bits in (0, 31, 63, 64, 65, 4096):
        path = _write(tmp_path, pickle.dumps({"a": 2**bits}))
        if bits <= 63:
            assert read_pickle(path)["a"] == 2**bits
            continue
        with pytest.raises(ModelError, match="its entry 'a' is a number, expected an array"):
            read_pickle(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"):
        read_pickle(tmp_path / "pipe")


def test_the_crafted_files_beside_the_project_are_refused(shared_dir: Path) -> None:
    folder = shared_dir / "faults" / "hostile" / "pdparams"
    files = sorted(folder.glob("*.pdparams")) if folder.is_dir() else []
    if not files:
        pytest.skip(f"{folder}: no crafted checkpoints")
    for path in files:
        with pytest.raises(ModelError) as caught:
            read_pickle(path)
        assert str(caught.value).isprintable()


def _long_number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8b" + struct.pack("<i", len(data)) + data


_KEYS = {
    "numbers of one hash": (_long_number(number * (2**61 - 1)) for number in range(1, 30_000)),
    "one large number": itertools.chain((_long_number(2**8_000_000) + b"q\0",), itertools.repeat(b"h\0", 20_000)),
    "broken numbers": (b"G" + struct.pack(">d", 2.0**number) for number in range(1000)),
    "two equal texts": itertools.chain(
        (text("a" * 10**7) + b"q\0", text("a" * 10**7) + b"q\1"), itertools.repeat(b"h\0Nh\1", 20_000)
    ),
}


@pytest.mark.parametrize("kind", list(_KEYS))
def test_keys_cost_no_more_than_their_bytes(tmp_path: Path, kind: str) -> None:
    """To hash and compare these would take minutes, of larger files hours."""
    content = b"}(" + b"".join(key + b"N" for key in _KEYS[kind]) + b"u."
    with pytest.raises(ModelError, match=r"a key (of 10000000 char|that is a large or broken number)"):
        read_pickle(_write(tmp_path, content))


@pytest.mark.parametrize("length", [0, 10, 2_000_000])
@pytest.mark.parametrize(
    "line", [b"F\xff", b"F1", b"I1", b"L1", b"S\xff", b"S'a", b"Sa'", b"cos", b"g1", b"p1"], ids=bytes.hex
)
def test_a_line_of_any_length_is_one_short_error(tmp_path: Path, line: bytes, length: int) -> None:
    """What is no number or text would be spelled out in an error, with four characters a byte."""
    with pytest.raises(ModelError) as refused:
        read_pickle(_write(tmp_path, parameters(line + line[-1:] * length + b"\nN")))
    assert len(str(refused.value)) < 500
    assert length < 10**6 or "more than a million characters" in str(refused.value) or line[:1] == b"S"


@pytest.mark.parametrize("length", [1, 1000, 2_000_000])
@pytest.mark.parametrize(
    ("begin", "wide", "end"),
    [(b"X", b"\xf0\x9f\x98\x80", b""), (b"\x8d", b"\xc4\x80", b""), (b"V", b"\\u0100", b"\n")],
)
def test_one_wide_character_makes_no_text_four_times_as_large(
    tmp_path: Path, length: int, begin: bytes, wide: bytes, end: bytes
) -> None:
    for content in (b"a" * length, b"a" * length + wide):
        size = {b"X": struct.pack("<I", len(content)), b"\x8d": struct.pack("<Q", len(content))}.get(begin, b"")
        with pytest.raises(ModelError) as refused:
            read_pickle(_write(tmp_path, parameters(begin + size + content + end)))
        assert ("not all of them latin-1" in str(refused.value)) == (length > 10**6 and wide in content)


@pytest.mark.parametrize("protocol", range(6))
def test_an_array_that_is_written_as_a_long_text_comes_back(tmp_path: Path, protocol: int) -> None:
    array = np.random.default_rng(0).integers(0, 256, 1_500_000, np.uint8)
    path = _write(tmp_path, pickle.dumps({"a": array}, protocol))
    assert np.array_equal(read_pickle(path)["a"], array)
