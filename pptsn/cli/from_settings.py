"""Commands whose options are the fields of settings classes, so that each option is stated once."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from pptsn.runtime.base.options import Option, options_of


def from_settings(**classes: type) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Make a command of a function that takes an instance of each of `classes`, by the name of its argument.

    The command has the function's other parameters as they are, then an option for each field that
    `pptsn.runtime.base.options.option` made.  Two classes may not have options of one name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(function).parameters.items()
            if name not in classes
        ]
        made = {argument: _parameters(settings) for argument, settings in classes.items()}
        parameters = [*own, *(parameter for several in made.values() for parameter in several)]

        def command(**values: Any) -> None:
            arguments: dict[str, Any] = {parameter.name: values[parameter.name] for parameter in own}
            for argument, settings in classes.items():
                fields = {parameter.name: values[parameter.name] for parameter in made[argument]}
                arguments[argument] = settings(**_as_fields(settings, fields))
            function(**arguments)

        command.__name__, command.__doc__, command.__module__ = (
            function.__name__,
            function.__doc__,
            function.__module__,
        )
        # What Typer reads; a required one comes first, as in any signature of Python's.
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _parameters(settings: type) -> list[inspect.Parameter]:
    hints = get_type_hints(settings)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[_typed(hints[field.name]), _typer_option(field, about)],
            default=_default(field),
        )
        for field, about in options_of(settings).values()
        if not about.hidden
    ]


def _typer_option(field: dataclasses.Field[Any], about: Option) -> Any:
    flags = about.flags or (f"--{field.name.replace('_', '-')}",)
    details: dict[str, Any] = {"help": about.help}
    if about.panel:
        details["rich_help_panel"] = about.panel
    if about.metavar:
        details["metavar"] = about.metavar
    if about.envvar:
        details["envvar"] = about.envvar
    return typer.Option(*flags, **details)


def _typed(hint: Any) -> Any:
    """Return the type as Typer knows it: a list for any sequence, which a frozen settings class has as a tuple."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        return Union[_typed(inner[0]), None] if len(inner) == 1 else hint  # noqa: UP007 - made at run time
    if get_origin(hint) is tuple:
        return Union[list[get_args(hint)[0]], None]  # type: ignore[misc]  # noqa: UP007
    return hint


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return None if field.default == () else field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty


def _as_fields(settings: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` as the fields of `settings` have them: tuples for lists, and for what was not given."""
    hints = get_type_hints(settings)
    return {
        name: tuple(value or ()) if get_origin(hints[name]) is tuple else value for name, value in values.items()
    }
