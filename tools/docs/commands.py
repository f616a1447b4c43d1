"""The program's commands as Markdown, read from the program, so that their page is never stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from pptsn.cli.lazy import LazyGroup, with_lists
from pptsn.cli.program import command_line

# A command or parameter of Typer's; which of its bases are Click's own changed from version to version.
Command = Any
Parameter = Any


def root_command() -> Command:
    """Return the program itself, with its commands in `commands`."""
    return typer.main.get_command(command_line())


def all_commands(command: Command | None = None, name: str = "pptsn") -> Iterator[tuple[str, Command]]:
    """Yield every command with its full name, `pptsn convert onnx`, groups before their members."""
    command = root_command() if command is None else command
    yield name, command
    for short, inner in members(command).items():
        yield from all_commands(inner, f"{name} {short}")


def members(command: Command) -> dict[str, Command]:
    """Return the commands of a group by name; none of a command."""
    if not isinstance(command, LazyGroup):
        return {}
    return {name: command.load(name) for name in command.table}


def options(command: Command) -> dict[str, Parameter]:
    """Return the options of a command by each of their flags."""
    found: dict[str, Parameter] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            found |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), parameter)
    return found


def commands_as_markdown() -> str:
    """Return a section a command: what it does, its arguments, its options."""
    return "\n".join(_section(name, command) for name, command in all_commands())


def _section(name: str, command: Command) -> str:
    level = "##" if name.count(" ") < 2 else "###"
    lines = [f"{level} {name}", "", help_as_markdown(command.help or ""), ""]
    if inner := members(command):
        lines += [f"- [`{name} {short}`](#{f'{name} {short}'.replace(' ', '-')})" for short in inner]
        lines.append("")
    parameters = [parameter for parameter in command.params if not parameter.hidden]
    for title in dict.fromkeys(_title(parameter) for parameter in parameters):
        rows = [_row(parameter) for parameter in parameters if _title(parameter) == title]
        lines += [f"| {title} | | |", "|---|---|---|", *rows, ""]
    if command.epilog:
        lines += [command.epilog, ""]
    return "\n".join(lines)


def help_as_markdown(text: str) -> str:
    """Return a command's help with its examples as code."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        opening, colon, rest = paragraph.strip().partition(":")
        if colon and opening in ("Example", "Examples"):
            commands = re.sub(r"\s*\n(?=pptsn )", "\0", " " + rest.strip()).split("\0")
            code = "\n".join(" ".join(command.split()) for command in commands)
            parts.append(f"```\n{code}\n```")
        else:
            parts.append(escaped(" ".join(paragraph.split())))
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """Return text as Markdown that shows it: code stays code; nothing else is markup."""
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([\\*_{}\[\]<>#|])", r"\\\1", piece) for piece in pieces[::2]]
    pieces[1::2] = [piece.replace("|", r"\|") for piece in pieces[1::2]]
    return "`".join(pieces)


def _title(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return str(parameter.rich_help_panel or "Options")


def _row(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        flags = [f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts)]
        name = " ".join(flags) + ("" if parameter.is_flag else f" {_value(parameter)}")
    return f"| {name} | {escaped(with_lists(parameter.help or ''))} | {_default(parameter)} |"


def _value(parameter: Parameter) -> str:
    if parameter.metavar:
        return escaped(parameter.metavar)
    annotation = parameter.type_descriptor.annotation
    kind = getattr(annotation, "__name__", str(annotation))
    words = {"str": "TEXT", "int": "N", "float": "NUMBER", "Path": "PATH", "list": "TEXT"}
    return words.get(kind, kind.upper())


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    notes = []
    if parameter.multiple:
        notes.append("any number")
    if parameter.envvar:
        notes.append(f"or `{parameter.envvar}` in the environment")
    default = parameter.default
    if default is not None and default is not False and default != [] and not callable(default):
        shown = "" if default is True else f"`{default}`"
        notes.append(shown or ("on" if parameter.secondary_opts else ""))
    return "; ".join(note for note in notes if note)
