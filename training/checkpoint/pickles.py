"""Reading `.pdparams` pickles as data: arrays and plain containers, never code.

A pickle is a program, and NumPy's own constructors are not safe to hand to it: a dtype's pickled state can
clear the flags that keep raw bytes from being taken for object pointers.  So no callable of NumPy, nor any
other that exists outside this file, is ever called by the pickle.  Each admitted global name stands for a
builder below, which checks its arguments and makes arrays from bytes by `numpy.frombuffer`.  Kept by hand:
Paddle's own reader runs what a pickle says, and what is published is no format that holds data alone.
"""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, ModelError

Array = npt.NDArray[Any]

# Paddle's own entries beside the parameters: their names in the program that wrote the file, and the
# recipe for arrays that protocols 2 and 3 had to slice.
NAME_TABLE = "StructuredToParameterName@@"
SLICES = "UnpackBigParamInfor@@"

_NUMBERS = frozenset(np.dtype(code).str[1:] for code in "?bBhHiIqQefdFD")
_REMEDY = "use a checkpoint that holds arrays alone, or fetch the file again"


class _RefusedError(Exception):
    """Something in a pickle that is no array, plain container or number."""


class _Builder:
    """What an admitted global name is replaced by.  It can be called, and nothing else."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        # Defined, so that the BUILD instruction cannot reach `_function`.
        raise _RefusedError("a state for a function")


class _Dtype:
    """A pickled dtype: admitted if it is one of NumPy's plain numbers."""

    __slots__ = ("value",)

    def __init__(self, code: object, *_: object) -> None:
        code = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not isinstance(code, str) or code.lstrip("<>|=") not in _NUMBERS:
            raise _RefusedError(f"an array of type {code!r}")
        self.value = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        """Take the byte order; everything else in the state is fixed for plain numbers."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise _RefusedError(f"a dtype state {str(state)[:40]}")
        self.value = self.value.newbyteorder(order)


class _PendingArray:
    """A pickled array: `_reconstruct` makes it empty, the state that follows fills it."""

    __slots__ = ("value",)

    def __init__(self, value: Array | None = None) -> None:
        self.value = value

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _RefusedError("an array state of unknown form")
        _version, shape, dtype, fortran, data = state
        self.value = _array_from(data, dtype, shape, "F" if fortran else "C")


def _array_from(data: object, dtype: object, shape: object, order: object) -> Array:
    """Return a writable array of `shape` from exactly as many bytes as it needs."""
    if not isinstance(dtype, _Dtype):
        raise _RefusedError("an array without a dtype")
    if isinstance(data, str):  # protocol 2 from Python 3 keeps bytes as latin-1 text
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise _RefusedError(f"array content that is {_kind_of(data)}")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise _RefusedError("an array shape that is no tuple of sizes")
    if math.prod(shape) * dtype.value.itemsize != len(data):
        raise _RefusedError(f"{len(data)} bytes for an array of shape {shape}")
    if order not in ("C", "F"):
        raise _RefusedError(f"array order {order!r}")
    array: Array = np.frombuffer(data, dtype.value).reshape(shape, order=order).copy()
    return array


def _reconstruct(*_: object) -> _PendingArray:
    return _PendingArray()


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> _PendingArray:
    return _PendingArray(_array_from(data, dtype, shape, order))


def _scalar(dtype: object, data: object) -> _PendingArray:
    return _PendingArray(_array_from(data, dtype, (), "C"))


def _encode(text: object, encoding: object) -> bytes:
    """Protocol 2 writes bytes as `_codecs.encode(text, "latin1")`."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError("text to encode other than latin1")
    return text.encode("latin1")


def _empty_bytes(*arguments: object) -> bytes:
    """Protocol 2 writes empty bytes as `bytes()`."""
    if arguments:
        raise _RefusedError("arguments for bytes")
    return b""


def _ndarray(*_: object) -> object:
    raise _RefusedError("an array made otherwise than by NumPy's pickling")


def _plain(kind: type) -> Callable[..., object]:
    """Return a maker of `kind` (dict or tuple) from at most one plain container."""

    def make(*arguments: object) -> object:
        if len(arguments) > 1 or not all(isinstance(a, dict | list | tuple) for a in arguments):
            raise _RefusedError(f"arguments for a {kind.__name__}")
        return kind(*arguments)

    return make


def _admitted() -> dict[tuple[str, str], _Builder]:
    names: dict[tuple[str, str], Callable[..., object]] = {
        ("numpy", "ndarray"): _ndarray,
        ("numpy", "dtype"): _Dtype,
        ("collections", "OrderedDict"): _plain(dict),
        ("_codecs", "encode"): _encode,
    }
    for core in ("numpy.core", "numpy._core"):  # the name before and since NumPy 2
        names[(f"{core}.multiarray", "_reconstruct")] = _reconstruct
        names[(f"{core}.multiarray", "scalar")] = _scalar
        names[(f"{core}.numeric", "_frombuffer")] = _frombuffer
    for builtins in ("builtins", "__builtin__"):  # Paddle writes a tensor as tuple((name, array))
        names[(builtins, "tuple")] = _plain(tuple)
        names[(builtins, "bytes")] = _empty_bytes
    return {name: _Builder(function) for name, function in names.items()}


_ADMITTED = _admitted()


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        builder = _ADMITTED.get((module, name))
        if builder is None:
            raise _RefusedError(f"{module}.{name}")
        return builder

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError("a reference to something outside the file")


def read_pickle(path: str | Path) -> dict[str, Array]:
    """Return the arrays of a `.pdparams` or `.pdopt` file by name, as writable copies, in the file's order.

    Reads what `paddle.save` and NumPy (before and since version 2) write: arrays, (name, array) tuples,
    numbers, sliced arrays.  Nothing from the file is run.
    Raises InputError where there is no such file, ModelError where it is damaged or holds anything else.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = _ArrayUnpickler(stream, encoding="latin1").load()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error
    except _RefusedError as refusal:
        raise ModelError(
            path, f"refused: it holds {refusal}, expected arrays and plain containers", _REMEDY
        ) from None
    # The bytes decide which exception a damaged pickle ends in, so any that unpickling can raise means damage.
    except Exception as error:
        cause = f"is no readable pickle of arrays ({type(error).__name__}: {str(error)[:80]})"
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
        if isinstance(value, bool | int | float):
            value = _PendingArray(np.array(value))
        if not isinstance(name, str):
            raise ModelError(path, f"the name of an entry is {_kind_of(name)}, expected text", _REMEDY)
        if not isinstance(value, _PendingArray) or value.value is None:
            raise ModelError(path, f"its entry {name[:60]!r} is {_kind_of(value)}, expected an array", _REMEDY)
        arrays[name] = value.value
    return _joined(arrays, slices, path)


def _kind_of(value: object) -> str:
    """Say in plain words what a value in a pickle is."""
    if isinstance(value, _PendingArray):
        return "an array without content" if value.value is None else "an array"
    if isinstance(value, _Dtype):
        return "an array's type without the array"
    if isinstance(value, _Builder):
        return "a function"
    if value is None:
        return "empty (None)"
    return "a number" if isinstance(value, int | float | complex) else f"a {type(value).__name__}"


def _joined(arrays: dict[str, Array], slices: Any, path: Path) -> dict[str, Array]:
    """Return `arrays` with those that Paddle sliced (over 1 GiB, protocols 2 and 3) put together again."""
    try:
        for name, recipe in slices.items():
            parts = [arrays.pop(part).ravel() for part in recipe["slices"]]
            arrays[name] = np.concatenate(parts).reshape(recipe["OriginShape"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(path, f"its sliced arrays do not fit together ({error})", _REMEDY) from error
    return arrays
