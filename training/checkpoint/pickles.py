"""Reading `.pdparams` pickles as data: arrays and plain containers, never code.

A pickle is a program, and NumPy's own constructors are not safe to hand to it: a dtype's pickled state can
clear the flags that keep raw bytes from being taken for object pointers.  So no callable of NumPy, nor any
other that exists outside this file, is ever called by the pickle.  Each admitted global name stands for a
builder below, which checks its arguments and makes arrays from bytes by `numpy.frombuffer`.  Kept by hand:
Paddle's own reader runs what a pickle says, and what is published is no format that holds data alone.

Memory is bounded by the file: its bytes, arrays of as many at most, and some 100 MB for a file of nothing but
instructions (see `instructions`).
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.runtime.model.kinds import CHECKPOINT, refuse_others
from pptsn.training.checkpoint.instructions import (
    Builder,
    PickleMachine,
    RefusedError,
    Stateful,
    kind_of,
    plain_dict,
    spelled,
)

Array = npt.NDArray[Any]

# Paddle's own entries beside the parameters: their names in the program that wrote the file, and the
# recipe for arrays that protocols 2 and 3 had to slice.
NAME_TABLE = "StructuredToParameterName@@"
SLICES = "UnpackBigParamInfor@@"

_NUMBERS = frozenset(np.dtype(code).str[1:] for code in "?bBhHiIqQefdFD")
_MOST_DIMENSIONS = 32  # of an array, in any NumPy
_LONGEST_NAME = 500
# Content that a file may use more than once, as Python does of single bytes.
_SHARED_BYTES = 1_000_000
# Texts so long are what arrays are written as, in latin-1: their instructions, in UTF-8 and as lines.
_LONG_TEXT = 1_000_000
_UTF8_TEXTS, _LINE_TEXTS, _QUOTED_TEXT = (b"X", b"\x8d"), (b"V", b"S"), b"S"
_LAST_LATIN_LEAD = 0xC3  # of the bytes that begin a character in UTF-8
_WIDE_ESCAPE = re.compile(rb"\\u(?!00)|\\U")
_QUOTED = re.compile(rb"(['\"])(?s:.*)\1\n?\Z")
_REMEDY = "use a checkpoint that holds arrays alone, or fetch the file again"


class _Dtype(Stateful):
    """A pickled dtype: admitted if it is one of NumPy's plain numbers."""

    __slots__ = ("value",)

    def __init__(self, code: object, *_: object) -> None:
        code = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not isinstance(code, str):
            raise RefusedError(f"an array whose type is {kind_of(code)}")
        if code.lstrip("<>|=") not in _NUMBERS:
            raise RefusedError(f"an array of type '{spelled(code)}'")
        self.value = np.dtype(code)

    def take_state(self, state: object) -> None:
        """Take the byte order; everything else in the state is fixed for plain numbers."""
        order: Any = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise RefusedError("a dtype state of unknown form")
        self.value = self.value.newbyteorder(order)


class _PendingArray(Stateful):
    """A pickled array: `_reconstruct` makes it empty, the state that follows fills it by `make`."""

    __slots__ = ("_make", "value")

    def __init__(self, make: Callable[..., Array], value: Array | None = None) -> None:
        self._make = make
        self.value = value

    def take_state(self, state: object) -> None:
        """Fill the array."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("an array state of unknown form")
        _version, shape, dtype, fortran, data = state
        self.value = self._make(data, dtype, shape, "F" if fortran is True or fortran == 1 else "C")


class _Builders:
    """What the admitted names stand for, in one file of `size` bytes."""

    def __init__(self, size: int) -> None:
        # Nothing is made twice of the same bytes, so what is made of them all is no more than the file.
        self._bytes_left = {"arrays": size + _SHARED_BYTES, "texts": size + _SHARED_BYTES}

    def admitted(self) -> dict[tuple[str, str], Builder]:
        """Return the builders by module and name."""
        names: dict[tuple[str, str], Callable[..., object]] = {
            ("numpy", "ndarray"): _ndarray,
            ("numpy", "dtype"): _Dtype,
            ("collections", "OrderedDict"): self._dict,
            ("_codecs", "encode"): self._encode,
        }
        for core in ("numpy.core", "numpy._core"):  # the name before and since NumPy 2
            names[(f"{core}.multiarray", "_reconstruct")] = lambda *_: _PendingArray(self._array)
            names[(f"{core}.multiarray", "scalar")] = self._scalar
            names[(f"{core}.numeric", "_frombuffer")] = self._frombuffer
        for builtins in ("builtins", "__builtin__"):  # Paddle writes a tensor as tuple((name, array))
            names[(builtins, "tuple")] = self._tuple
            names[(builtins, "bytes")] = _empty_bytes
        return {name: Builder(function) for name, function in names.items()}

    def _spend(self, kind: str, count: int) -> None:
        self._bytes_left[kind] -= count
        if self._bytes_left[kind] < 0:
            raise RefusedError(f"{kind} of more bytes than the file has")

    def _array(self, data: object, dtype: object, shape: object, order: Any) -> Array:
        """Return a writable array of `shape` from exactly as many bytes as it needs."""
        if not isinstance(dtype, _Dtype):
            raise RefusedError("an array without a dtype")
        if isinstance(data, str):  # protocol 2 from Python 3 keeps bytes as latin-1 text
            data = self._encode(data, "latin1")
        if not isinstance(data, bytes | bytearray):
            raise RefusedError(f"array content that is {_kind_of(data)}")
        if not _is_shape(shape):
            raise RefusedError("an array shape that is no tuple of sizes")
        if math.prod(shape) * dtype.value.itemsize != len(data):
            raise RefusedError(f"{len(data)} bytes for an array of shape {shape}")
        if order not in ("C", "F"):
            raise RefusedError("an array order other than C and F")
        self._spend("arrays", len(data))
        array: Array = np.frombuffer(data, dtype.value).reshape(shape, order=order)
        return array if array.flags.writeable else array.copy()

    def _frombuffer(self, data: object, dtype: object, shape: object, order: object) -> _PendingArray:
        return _PendingArray(self._array, self._array(data, dtype, shape, order))

    def _scalar(self, dtype: object, data: object) -> _PendingArray:
        return _PendingArray(self._array, self._array(data, dtype, (), "C"))

    def _encode(self, text: object, encoding: object) -> bytearray:
        """Protocol 2 writes bytes as `_codecs.encode(text, "latin1")`."""
        if not isinstance(text, str) or not isinstance(encoding, str) or encoding != "latin1":
            raise RefusedError("text to encode other than latin1")
        self._spend("texts", len(text))
        return bytearray(text, "latin1")

    def _dict(self, *arguments: object) -> dict[object, object]:
        pairs = self._contents(arguments, "dict")
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise RefusedError("arguments for a dict")
        return plain_dict([(pair[0], pair[1]) for pair in pairs])

    def _tuple(self, *arguments: object) -> tuple[object, ...]:
        return tuple(self._contents(arguments, "tuple"))

    def _contents(self, arguments: tuple[object, ...], kind: str) -> list[Any]:
        """Return what is in the one plain container, or none, that a container is made of."""
        if len(arguments) > 1 or not all(isinstance(a, dict | list | tuple) for a in arguments):
            raise RefusedError(f"arguments for a {kind}")
        (container,) = arguments or ((),)
        content: Any = container.items() if kind == "dict" and isinstance(container, dict) else container
        self._spend("texts", len(content))
        return list(content)


def _empty_bytes(*arguments: object) -> bytes:
    """Protocol 2 writes empty bytes as `bytes()`."""
    if arguments:
        raise RefusedError("arguments for bytes")
    return b""


def _ndarray(*_: object) -> object:
    raise RefusedError("an array made otherwise than by NumPy's pickling")


def _is_shape(value: object) -> TypeGuard[tuple[int, ...]]:
    return (
        isinstance(value, tuple)
        and len(value) <= _MOST_DIMENSIONS
        and all(isinstance(size, int) and 0 <= size < 2**63 for size in value)
    )


class _Bounded(io.BufferedReader):
    """A file that makes no room for more bytes than it has, whatever number it is asked for.

    Nor does it hand over what the reader of instructions would make much more of: text whose characters take four
    bytes each for the sake of one, and a line that would be spelled out in an error.
    """

    def __init__(self, path: Path) -> None:
        # Not blocking: a pipe that nobody writes to would keep this waiting before it can be refused.
        super().__init__(io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
        status = os.fstat(self.fileno())
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise InputError(path, "is no regular file", "name a .pdparams file")
        self.size = status.st_size
        self._instruction = b""

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.size - self.tell()
        data = super().read(left if size is None or size < 0 else min(size, left))
        if size == 1:  # an instruction has one byte; what follows it is longer, or matters not
            self._instruction = data
        elif len(data) > _LONG_TEXT and self._instruction in _UTF8_TEXTS:
            _refuse_wide(np.frombuffer(data, np.uint8).max() > _LAST_LATIN_LEAD)
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        if self._instruction not in _LINE_TEXTS:
            line = super().readline(_LONG_TEXT)
            if len(line) == _LONG_TEXT:
                raise RefusedError("a number or name of more than a million characters")
            return line
        line = super().readline()
        if len(line) > _LONG_TEXT:
            _refuse_wide(_WIDE_ESCAPE.search(line) is not None)
            if self._instruction == _QUOTED_TEXT and not _QUOTED.match(line):
                raise RefusedError("a text without quotes")
        return line


def _refuse_wide(is_wide: bool) -> None:
    if is_wide:
        raise RefusedError("a text of more than a million characters, not all of them latin-1")


def read_pickle(path: str | Path) -> dict[str, Array]:
    """Return the arrays of a `.pdparams` or `.pdopt` file by name, as writable copies, in the file's order.

    Reads what `paddle.save` and NumPy (before and since version 2) write: arrays, (name, array) tuples,
    numbers, sliced arrays.  Nothing from the file is run.
    Raises InputError where there is no such file, ModelError where it is damaged or holds anything else.
    """
    path = Path(path)
    refuse_others(path, CHECKPOINT)
    try:
        with _Bounded(path) as stream:
            content = PickleMachine(_Builders(stream.size).admitted()).run(stream)
    except InputError:
        raise
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error
    except RefusedError as refusal:
        raise ModelError(
            path, f"refused: it holds {refusal}, expected arrays and plain containers", _REMEDY
        ) from None
    # The bytes decide which exception a damaged pickle ends in, so any that unpickling can raise means damage.
    except Exception as error:
        cause = f"is no readable pickle of arrays ({type(error).__name__}: {spelled(str(error))})"
        raise ModelError(path, cause, "it may be truncated: fetch it again") from error
    if not isinstance(content, dict):
        raise ModelError(path, f"holds {_kind_of(content)}, expected parameters by name", _REMEDY)
    return _arrays_of(content, path)


def _arrays_of(content: dict[Any, Any], path: Path) -> dict[str, Array]:
    """Return the parameters among `content`, unwrapped, with slices joined."""
    content.pop(NAME_TABLE, None)
    slices = content.pop(SLICES, {})
    arrays = {}
    for name, value in content.items():
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            value = value[1]
        if not isinstance(name, str):
            raise ModelError(path, f"the name of an entry is {_kind_of(name)}, expected text", _REMEDY)
        if len(name) > _LONGEST_NAME:
            cause = f"the name of an entry, {spelled(name)}, has more than {_LONGEST_NAME} characters"
            raise ModelError(path, cause, _REMEDY)
        array = value.value if isinstance(value, _PendingArray) else _number(value)
        if array is None:
            cause = f"its entry '{spelled(name)}' is {_kind_of(value)}, expected an array"
            raise ModelError(path, cause, _REMEDY)
        arrays[name] = array
    return _joined(arrays, slices, path)


def _number(value: object) -> Array | None:
    """Return a number as an array; None for what is none, or none that an array can hold."""
    array = np.array(value) if isinstance(value, bool | int | float) else None
    return array if array is not None and array.dtype != np.dtype("O") else None


def _kind_of(value: object) -> str:
    """Say in plain words what a value in a pickle is."""
    if isinstance(value, _PendingArray):
        return "an array without content" if value.value is None else "an array"
    if isinstance(value, _Dtype):
        return "an array's type without the array"
    return kind_of(value)


def _joined(arrays: dict[str, Array], slices: object, path: Path) -> dict[str, Array]:
    """Return `arrays` with those that Paddle sliced (over 1 GiB, protocols 2 and 3) put together again."""
    try:
        for name, recipe in slices.items() if isinstance(slices, dict) else _no_recipe():
            names, shape = recipe["slices"], recipe["OriginShape"]
            if not (isinstance(name, str) and len(name) <= _LONGEST_NAME and _is_shape(tuple(shape))):
                _no_recipe()
            if not all(isinstance(part, str) for part in names):
                _no_recipe()
            parts = [arrays.pop(part).ravel() for part in names]
            if len({part.dtype for part in parts}) != 1:
                raise ValueError("they are of several types")
            arrays[name] = np.concatenate(parts).reshape(shape)
    except KeyError as error:
        raise ModelError(path, "its sliced arrays do not fit together (one is missing)", _REMEDY) from error
    except (TypeError, ValueError) as error:
        cause = f"its sliced arrays do not fit together ({spelled(str(error))})"
        raise ModelError(path, cause, _REMEDY) from error
    return arrays


def _no_recipe() -> Any:
    raise ValueError("what says how is of unknown form")
