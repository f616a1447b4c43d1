"""Groups whose commands are imported when they run: `--help` lists them without what they are made of."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pptsn.cli.late_help import LateHelpCommand

# Click's own types: newer versions of Typer bring a copy of it under another name.
Context = Any
Command = Any


class LazyGroup(TyperGroup):
    """A group that knows where its commands are, and the first line of their help.

    A subclass sets `table`: name to ("module:attribute", the first line of the command's help).  The attribute is
    a function, of which Typer makes a command, or the app of another such group.
    """

    table: Mapping[str, tuple[str, str]] = {}

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        # What `--help` shows of them, and what a mistyped name is compared with.
        self.commands = {
            name: TyperCommand(name, help=line, rich_markup_mode=self.rich_markup_mode)
            for name, (_, line) in self.table.items()
        }

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command, list[str]]:
        """Return the command to run, imported, and its arguments; raises a usage error where there is none."""
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
    app.command(cls=LateHelpCommand)(function)
    return typer.main.get_command(app)


def lazy_app(table: Mapping[str, tuple[str, str]], *, help: str, epilog: str | None = None) -> typer.Typer:
    """Return an app of the commands in `table`; see LazyGroup."""
    group = type("CommandGroup", (LazyGroup,), {"table": dict(table)})
    return typer.Typer(
        cls=group,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help=help,
        epilog=epilog,
    )
