"""Commands whose options are the fields of settings classes, so that each option is stated once."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from pptsn.cli.lazy import late
from pptsn.runtime.base.options import Option, flags_of, options_of


def from_settings(function: Callable[..., Any]) -> Callable[..., None]:
    """Make a command of a function whose parameters may be instances of settings classes.

    In the place of such a parameter the command has an option for each field that
    `pptsn.runtime.base.options.option` made; the other parameters stay as they are.  Raises TypeError for two
    parameters of one name.

    The command may be called by Python as well, by keyword; what is not given has its default.
    """
    hints = _hints(function)
    parameters: list[inspect.Parameter] = []
    settings: dict[str, type] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if _is_settings(hints[name]):
            settings[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{function.__name__}: more than one option called {', '.join(doubled)}")

    signature = inspect.Signature(parameters)

    def command(**given: Any) -> None:
        bound = signature.bind(**given)
        bound.apply_defaults()
        values = dict(bound.arguments)
        arguments = {name: _instance(cls, values) for name, cls in settings.items()}
        function(**values, **arguments)

    command.__name__, command.__doc__, command.__module__ = (
        function.__name__,
        function.__doc__,
        function.__module__,
    )
    # What Typer reads.
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of parameters, each with what Typer reads.

    Python 3.10 wraps what has the default None, `Annotated[...]` and all, in an Optional, where Typer sees it not.
    """
    hints = get_type_hints(function, include_extras=True)
    return {name: next(filter(_is_annotated, get_args(hint)), hint) for name, hint in hints.items()}


def _is_annotated(hint: Any) -> bool:
    return get_origin(hint) is Annotated


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _parameters(settings: type) -> list[inspect.Parameter]:
    hints = get_type_hints(settings)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[_type_of(hints[field.name], about), _typer_option(field, about)],
            default=_default(field, about),
        )
        for field, about in options_of(settings).values()
    ]


def _typer_option(field: dataclasses.Field[Any], about: Option) -> Any:
    return typer.Option(
        *flags_of(field, about),
        help=about.help if isinstance(about.help, str) else late(about.help),
        rich_help_panel=about.panel or None,
        metavar=about.metavar,
        envvar=about.envvar,
    )


def _type_of(hint: Any, about: Option) -> Any:
    """Return the type of what the command line gives: a text, or several, for a field that is read from it."""
    if about.read is None:
        return _typed(hint)
    repeats = get_origin(hint) is tuple and get_args(hint)[-1] is Ellipsis
    return Union[list[str], None] if repeats else Union[str, None]  # noqa: UP007 - made at run time


def _typed(hint: Any) -> Any:
    """Return the type as Typer knows it: a list for a tuple, which a frozen settings class has."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        return Union[_typed(inner[0]), None] if len(inner) == 1 else hint  # noqa: UP007 - made at run time
    if get_origin(hint) is tuple:
        return Union[list[get_args(hint)[0]], None]  # type: ignore[misc]  # noqa: UP007
    return hint


def _default(field: dataclasses.Field[Any], about: Option) -> Any:
    if about.read is not None:
        return about.written
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return inspect.Parameter.empty
    if isinstance(value, tuple):
        return list(value) or None
    return value * about.scale if about.scale != 1 and value is not None else value


def _instance(settings: type, values: dict[str, Any]) -> Any:
    """Take the options of `settings` out of `values`, and return what they make."""
    hints = get_type_hints(settings)
    fields = {}
    for field, about in options_of(settings).values():
        value = values.pop(field.name)
        if about.read is None:
            fields[field.name] = _as_field(value, hints[field.name], about.scale)
        elif value not in (None, []):
            fields[field.name] = about.read(value)
    return settings(**fields)


def _as_field(value: Any, hint: Any, scale: float) -> Any:
    """Return the value as the field has it: in its unit; a tuple for a list, empty for what was not given."""
    if get_origin(hint) is tuple:
        return tuple(value or ())
    return value / scale if scale != 1 and value is not None else value
