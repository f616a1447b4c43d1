"""Options as fields of dataclasses: one place for a name, its values, its default and its help.

A settings class states its options once, by `option`; `pptsn.cli.from_settings` makes a command line of it, and
`parse_options` reads the query of an address (`?fps=25&size=640x480`) into it.

A program may pass anything for an argument or an option: what is of another type is told as a UsageError, too.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Generic, TypeGuard, TypeVar
from urllib.parse import unquote

from pptsn.runtime.base.errors import UsageError

_KEY = "pptsn.option"
_NAME = re.compile(r"[a-z_]{1,20}")

Options = TypeVar("Options")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its type and default, which are the field's.

    help: one sentence, or what returns it when help is asked for.
    flags: on a command line, `--name` if none are given.
    least, most: of a number, in the field's unit; see `check_ranges`.
    scale, unit: on a command line the number is `scale` times the field's, in `unit`: 1000 and "milliseconds" of
        seconds.
    name: in a query, the field's if "".
    parse: from text to the value; raises ValueError or OverflowError for what makes no sense.
    expected: what makes sense, in words; what a Parser says of itself if "".
    read: from what a command line gives, a text or the texts of an option that repeats, to a value of a type that
        it does not know itself; raises UsageError.  Where nothing is given, the field keeps its default.
    written: that default, as a command line would give it.
    panel: the heading in `--help` that it stands under.  metavar: what stands for its value there.
    envvar: the variable of the environment that gives it as well.
    """

    help: str | Callable[[], str]
    flags: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    scale: float = 1
    unit: str = ""
    name: str = ""
    parse: Callable[[str], Any] | None = None
    expected: str = ""
    read: Callable[[Any], Any] | None = None
    written: str | None = None
    panel: str = ""
    metavar: str | None = None
    envvar: str | None = None


def option(help: str | Callable[[], str], *flags: str, default: Any = dataclasses.MISSING, **details: Any) -> Any:
    """Return a dataclass field that is an option; `details` are fields of `Option`, or `default_factory`."""
    factory = details.pop("default_factory", dataclasses.MISSING)
    about = Option(help, flags, **details)
    return dataclasses.field(default=default, default_factory=factory, metadata={_KEY: about})


def options_of(settings: type) -> dict[str, tuple[dataclasses.Field[Any], Option]]:
    """Return the fields of the dataclass `settings` that are options, by the name that they have in a query."""
    found = {}
    for field in dataclasses.fields(settings):
        about = field.metadata.get(_KEY)
        if about is not None:
            found[about.name or field.name] = (field, about)
    return found


def flags_of(field: dataclasses.Field[Any], about: Option) -> tuple[str, ...]:
    """Return how a command line calls the option, its longest name first."""
    return about.flags or (f"--{field.name.replace('_', '-')}",)


def check_ranges(settings: object) -> None:
    """Raise UsageError for the first value in `settings` that is no number in the range of its option, as nan.

    For `__post_init__` of settings classes: a range is stated once, at the field.
    """
    for field, about in options_of(type(settings)).values():
        value = getattr(settings, field.name)
        if value is None or (about.least is None and about.most is None and not isinstance(value, int | float)):
            continue
        least = -math.inf if about.least is None else about.least
        most = math.inf if about.most is None else about.most
        of_type = (
            is_whole(value) if str(field.type).startswith("int") else isinstance(value, bool) or is_number(value)
        )
        if not (of_type and least <= value <= most and abs(value) != math.inf):
            given = f"{value * about.scale:g}" if is_number(value) and about.scale != 1 else repr(value)
            raise UsageError(flags_of(field, about)[0], f"expected {_range(about)}, got {given}")


def _range(about: Option) -> str:
    unit = f" {about.unit}" if about.unit else ""
    least, most = (None if bound is None else f"{bound * about.scale:g}" for bound in (about.least, about.most))
    if most is None:
        return f"{least}{unit} or more"
    return f"{least} to {most}{unit}" if least is not None else f"at most {most}{unit}"


def parse_options(
    settings: type[Options],
    parts: Iterable[str],
    *,
    thing: str,
    unquote: Callable[[str], str] = unquote,
    may_be_secret: bool = False,
) -> Options:
    """Return the `settings` that `parts`, each `name=value`, ask for; what is not named has its default.

    thing: what errors are about; it holds no credentials.  may_be_secret: a part that is no plain `name=value` is
    not shown, as it may be a piece of a password.
    Raises UsageError for a name that is unknown or given twice, for a value that makes no sense, and for one with
    a variable, `${NAME}`, set or not: the values of variables are hidden, those of options are shown.
    """
    known = options_of(settings)
    values: dict[str, Any] = {}
    for part in parts:
        name, equals, text = part.partition("=")
        if name not in known:
            shown = f"unknown option {name!r}"
            if may_be_secret and not (equals and _NAME.fullmatch(name)):
                shown = "its options are malformed"
            remedy = f"expected one of {', '.join(sorted(known))}" if known else "it takes none"
            raise UsageError(thing, shown, remedy)
        field, about = known[name]
        if "${" in text:
            cause = f"variables of the environment are not filled in here, got {name}={text}"
            raise UsageError(thing, cause, "write the value itself; %24{ is a ${ that stands for no variable")
        if field.name in values:
            raise UsageError(thing, f"the option {name} is given twice", "give it once")
        try:
            values[field.name] = (about.parse or str)(unquote(text))
        except (ValueError, OverflowError):
            expected = about.expected or getattr(about.parse, "expected", "another value")
            raise UsageError(thing, f"{name}={text} is out of range", f"expected {expected}") from None
    return settings(**values)


@dataclass(frozen=True)
class Parser(Generic[Value]):
    """What makes a value of an option's text.

    read: raises ValueError or OverflowError for what makes no sense.  expected: what makes sense, in words.
    """

    read: Callable[[str], Value]
    expected: str

    def __call__(self, text: str) -> Value:
        """Return the value of `text`."""
        return self.read(text)


def number(low: float, high: float, unit: str = "") -> Parser[float]:
    """Return a parser of finite numbers from `low` to `high`; unit: for people, "seconds" say."""

    def read(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(text)
        return value

    return Parser(read, f"{low:g} to {high:g} {unit}".strip())


def whole(low: int, high: int) -> Parser[int]:
    """Return a parser of whole numbers from `low` to `high`, written in plain digits."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(text)
        return int(text)

    return Parser(read, f"{low} to {high}")


def one_of(choices: Iterable[str]) -> Parser[str]:
    """Return a parser of names out of `choices`."""
    known = tuple(choices)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return Parser(read, ", ".join(known))


def _read_switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(text)
    return text == "1"


switch = Parser(_read_switch, "0 or 1")


def is_number(given: object) -> TypeGuard[float]:
    """Whether `given` is a number, NumPy's included; truth is none."""
    return isinstance(given, Real) and not isinstance(given, bool)


def is_whole(given: object) -> TypeGuard[int]:
    """Whether `given` is a number by its type that has no fraction; truth is none."""
    return isinstance(given, Integral) and not isinstance(given, bool)


def check_text(given: object, thing: str) -> None:
    """Raise UsageError on `thing` where `given` is no text."""
    if not isinstance(given, str):
        raise UsageError(thing, f"expected a text, got {_told(given)}")


def check_flag(given: object, thing: str) -> None:
    """Raise UsageError on `thing` where `given` is neither true nor false: 0 and 1 are, and NumPy's."""
    of_numpy = getattr(given, "dtype", None) == "bool" and getattr(given, "ndim", 1) == 0
    if not (of_numpy or (isinstance(given, Integral) and given in (0, 1))):
        raise UsageError(thing, f"expected True or False, got {_told(given)}")


def check_whole(given: object, thing: str, *, least: int, most: int | None = None) -> None:
    """Raise UsageError on `thing` where `given` is no whole number in that range."""
    if not is_whole(given) or given < least or (most is not None and given > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        raise UsageError(thing, f"expected a whole number, {wanted}, got {_told(given)}")


def check_path(given: object, thing: str) -> None:
    """Raise UsageError on `thing` where `given` is no path of text that a file can have."""
    text: Any = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise UsageError(thing, f"expected a path, as a str or Path, got {_told(given)}")
    if "\0" in text:
        raise UsageError(thing, "expected a path, got a text with a character of code 0")


def _told(given: object) -> str:
    """Return what `given` is in a few words: plain values as they are, others by their type."""
    plain = given is None or isinstance(given, (str, bytes, int, float))
    return repr(given) if plain and len(repr(given)) < 60 else type(given).__name__
