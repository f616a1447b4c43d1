"""What the command line puts off: commands are imported when they run, lists of kinds made when help is asked for.

`--help` lists a group's commands without what they are made of; and only a help page that lists the kinds of a
registry imports the plugins among them.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pptsn.runtime.base.memory import collect_from_now

# Click's own types: newer versions of Typer bring a copy of it under another name.
Context = Any
Command = Any


_CONTEXT = {"help_option_names": ["--help", "-h"]}

# What stands for a text in the help of a parameter, and what returns the text.
_TEXTS: dict[str, Callable[[], str]] = {}


def late(make: Callable[[], str]) -> str:
    """Return what stands for `make()` in the help of a parameter until help is asked for."""
    name = f"{{{make.__module__}.{make.__qualname__}}}"
    _TEXTS[name] = make
    return name


def with_lists(text: str) -> str:
    """Return the help `text` with what `late` put off."""
    for name, make in _TEXTS.items():
        if name in text:
            text = text.replace(name, make())
    return text


class LateHelpCommand(TyperCommand):
    """A command whose parameters' help may hold what `late` returns."""

    def invoke(self, ctx: Context) -> Any:
        """Run it: all that it takes to be called is there."""
        collect_from_now()
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page."""
        self.help = _one_line_a_paragraph(self.help or "")
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                # Rich would take what stands in brackets for markup.
                parameter.help = re.sub(r"(?<!\\)\[", r"\\[", with_lists(text))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _one_line_a_paragraph(text: str) -> str:
    """Return a command's help as the terminal is to wrap it, which else breaks it where the source does, too."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(re.sub(r"\s*\n(?!pptsn )", " ", each) for each in paragraphs)  # examples keep their lines


class LazyGroup(TyperGroup):
    """A group that knows where its commands are, and the first line of their help.

    A subclass sets `table`: name to ("module:attribute", the first line of the command's help).  The attribute is
    a function, of which Typer makes a command, or the app of another such group.
    elsewhere: what other programs call a command of this one, and its name here.
    """

    table: Mapping[str, tuple[str, str]] = {}
    elsewhere: Mapping[str, str] = {}

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        # What `--help` shows of them, and what a mistyped name is compared with.
        self.commands = {
            name: TyperCommand(name, help=line, rich_markup_mode=self.rich_markup_mode)
            for name, (_, line) in self.table.items()
        }

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command, list[str]]:
        """Return the command to run, imported, and its arguments; raises a usage error where there is none."""
        is_completed = ctx.resilient_parsing  # by a shell, which is told nothing
        if args and args[0] in self.elsewhere and not is_completed:
            ctx.fail(f"No such command {args[0]!r}. Here it is called {self.elsewhere[args[0]]!r}.")
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else self.load(name), rest

    def load(self, name: str) -> Command:
        """Return the command called `name`, imported."""
        module, _, attribute = self.table[name][0].partition(":")
        target = getattr(importlib.import_module(module), attribute)
        if isinstance(target, typer.Typer):
            command: Command = typer.main.get_group(target)
        else:
            command = _command_of(target)
        command.name = name
        return command


def _command_of(function: Any) -> Command:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(cls=LateHelpCommand, context_settings=_CONTEXT)(function)
    return typer.main.get_command(app)


def lazy_app(
    table: Mapping[str, tuple[str, str]],
    *,
    help: str,
    epilog: str | None = None,
    elsewhere: Mapping[str, str] | None = None,
    completion: bool = False,
) -> typer.Typer:
    """Return an app of the commands in `table`; see LazyGroup.

    completion: with the options that tell a shell how to complete its commands, which a whole program has.
    """
    group = type("CommandGroup", (LazyGroup,), {"table": dict(table), "elsewhere": dict(elsewhere or {})})
    return typer.Typer(
        cls=group,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings=_CONTEXT,
        help=help,
        epilog=epilog,
    )
