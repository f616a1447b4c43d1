"""A pickle carried out as data: by a machine that knows containers and builders alone.

A pickle is a program.  Python's own unpickler makes room for whatever number a file says, hashes what a file says
is a key, and calls what a file names.  This machine takes the instructions that arrays and plain containers are
written with, refuses the rest, and does nothing whose cost does not follow from the size of the file: keys are
texts and numbers, what is named is one of the builders it was given, and nothing recurses, however deep a file
nests.  `pickletools`, of the standard library, tells the instructions apart.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

# ResNet-200's checkpoint has 40,000; each makes an object of some 100 bytes at most beside the file's own content.
MOST_INSTRUCTIONS = 1_000_000
# Of a text from a file, in errors.
_SHOWN = 60

_CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
"""
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# Keys cost what hashing and comparing them takes: numbers can be made to share one hash, and a large one is gone
# through anew at each use, as two equal texts are.
_LONGEST_KEY = 100_000
_LARGEST_KEY = 1 << 20


class RefusedError(Exception):
    """Something in a pickle that is no array, plain container or number."""


class Builder:
    """What an admitted global name is replaced by.  It can be called, and nothing else."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        """Return what the function makes of `arguments`, which it checks."""
        return self._function(*arguments)


class Stateful:
    """What a builder makes and a state from the file completes."""

    __slots__ = ()

    def take_state(self, state: object) -> None:
        """Complete the object; raises RefusedError for a state of another form."""
        raise NotImplementedError


class PickleMachine:
    """Carries out one pickle.

    builders: by module and name.
    """

    def __init__(self, builders: Mapping[tuple[str, str], Builder]) -> None:
        self._builders = builders
        self._stack: list[Any] = []
        self._marks: list[int] = []  # places in the stack
        self._memo: dict[int, Any] = {}
        self._actions: dict[str, Callable[[Any], None]] = {
            "PROTO": _ignore,
            "FRAME": _ignore,
            "STOP": _ignore,
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "EMPTY_DICT": lambda _: self._stack.append({}),
            "EMPTY_LIST": lambda _: self._stack.append([]),
            "DICT": lambda _: self._stack.append(plain_dict(_pairs(self._since_mark()))),
            "LIST": lambda _: self._stack.append(self._since_mark()),
            "TUPLE": lambda _: self._stack.append(tuple(self._since_mark())),
            "APPEND": lambda _: self._append([self._stack.pop()]),
            "APPENDS": lambda _: self._append(self._since_mark()),
            "SETITEM": lambda _: self._set_items(self._last(2)),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "GLOBAL": lambda name: self._push_builder(*name.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._push_builder(*self._last(2)),
            "REDUCE": lambda _: self._call(*self._last(2)),
            "BUILD": lambda _: self._build(self._stack.pop()),
            "MEMOIZE": lambda _: self._memoize(len(self._memo)),
        }
        self._actions |= dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._memoize)
        self._actions |= dict.fromkeys(
            ("GET", "BINGET", "LONG_BINGET"), lambda number: self._stack.append(self._memo[number])
        )
        self._actions |= dict.fromkeys(_VALUES.split(), self._stack.append)

    def run(self, stream: IO[bytes]) -> object:
        """Return what the pickle in `stream` makes.

        Raises RefusedError for what the machine does not do; for damaged bytes whatever comes of them.
        """
        for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if number == MOST_INSTRUCTIONS:
                raise RefusedError(f"more than {MOST_INSTRUCTIONS} instructions")
            name = instruction.name
            if name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self._stack.append(tuple(self._last(_TUPLES[name])))
            elif name in self._actions:
                self._actions[name](argument)
            else:
                raise RefusedError(f"the instruction {name}")
        return self._stack.pop()

    def _last(self, count: int) -> list[Any]:
        """Take the last `count` objects off the stack."""
        if len(self._stack) < count:
            raise ValueError("an instruction lacks its objects")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        """Take what lies above the last mark off the stack, and the mark."""
        mark = self._marks.pop()
        taken = self._stack[mark:]
        del self._stack[mark:]
        return taken

    def _append(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise RefusedError(f"items for {kind_of(self._stack[-1])}")
        self._stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not dict:
            raise RefusedError(f"entries for {kind_of(self._stack[-1])}")
        self._stack[-1].update(plain_dict(_pairs(items)))

    def _memoize(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _push_builder(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("a name that is no text")
        builder = self._builders.get((module, name))
        if builder is None:
            raise RefusedError(spelled(f"{module[:_SHOWN]}.{name}"))
        self._stack.append(builder)

    def _call(self, builder: object, arguments: object) -> None:
        if not isinstance(builder, Builder) or not isinstance(arguments, tuple):
            raise RefusedError(f"a call of {kind_of(builder)}")
        self._stack.append(builder(*arguments))

    def _build(self, state: object) -> None:
        if not isinstance(self._stack[-1], Stateful):
            raise RefusedError(f"a state for {kind_of(self._stack[-1])}")
        self._stack[-1].take_state(state)


def plain_dict(pairs: list[tuple[object, object]]) -> dict[object, object]:
    """Return a dict; raises RefusedError for keys that are no texts or small numbers, which may take for ever."""
    for key, _ in pairs:
        if isinstance(key, str | bytes):
            if len(key) > _LONGEST_KEY:
                raise RefusedError(f"a key of {len(key)} characters")
        elif isinstance(key, int | float):
            if not (isinstance(key, int) and -_LARGEST_KEY < key < _LARGEST_KEY):
                raise RefusedError("a key that is a large or broken number")
        elif key is not None:
            raise RefusedError(f"a key that is {kind_of(key)}")
    return dict(pairs)


def kind_of(value: object) -> str:
    """Say in plain words what a value in a pickle is; never what is in it, which may be without end."""
    if isinstance(value, Builder):
        return "a function"
    if value is None:
        return "empty (None)"
    return "a number" if isinstance(value, int | float | complex) else f"a {type(value).__name__}"


def spelled(text: str) -> str:
    """Return the beginning of a text from a file, with what no terminal should get spelled out."""
    shown = repr(text[:_SHOWN])[1:-1]
    return shown if len(text) <= _SHOWN else f"{shown}..."


def _pairs(items: list[Any]) -> list[tuple[object, object]]:
    return list(zip(items[::2], items[1::2], strict=True))


def _ignore(_: object) -> None:
    """Do nothing: what a frame or a version says matters to a reader of streams."""
