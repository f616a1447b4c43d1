"""The files behind `@list`: one source a line, YAML's simplest list, or a list of JSON.

Without a library for YAML, which devices need not have: what is no item of such a list is refused, never guessed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import lines_of
from pptsn.runtime.credentials.misplaced import misplaced_address

# What does not belong to a source at both ends of its line.
_BLANKS = " \t"
_YAML_SUFFIXES, _JSON_SUFFIX = frozenset({".yaml", ".yml"}), ".json"
# A comment is looked for where blanks begin alone: a line may hold any number of them.
_ITEM = re.compile(r"""-[ \t]+(?:"([^"\\]+)"|'((?:[^']|'')+)'|([^"'\s].*?))(?:(?<![ \t])[ \t]+#.*)?""")
# Texts without quotes that are something else to YAML: they begin with one of its signs, hold a key, are nothing.
_NO_PLAIN_TEXT = re.compile(r"[\[\]{},#&*!|>%@`]|[-?:](?:[ \t]|\Z)|.*?:(?:[ \t]|\Z)|(?:~|null|Null|NULL)\Z")
_START = re.compile(r"---(?:[ \t]+#.*)?")
_END = re.compile(r"\.\.\.(?:[ \t]+#.*)?")
_FORM = "expected lines of the form - SOURCE, in quotes where it has signs of YAML's"
_JSON_FORM = 'expected ["SOURCE", "SOURCE"]'
_PLAIN_FORM = "expected one source a line"


def list_entries(path: Path) -> list[tuple[int, str]]:
    """Return the sources that the list at `path` names, each with the number of its line (in JSON: of the item).

    In a file called .yaml or .yml, each is an item of a list, `- SOURCE`, in quotes or without; in one called
    .json, and in a .yaml that begins with [, a text of a list of JSON.
    Raises InputError for a list that cannot be read, names nothing, or holds anything else.
    """
    try:
        lines = lines_of(path)
    except OSError as error:
        address = None if os.path.lexists(path) else misplaced_address(str(path))
        if address is not None:
            cause = "there is no such file"
            raise InputError(
                f"@{address.thing}", cause, "name a file: lists are not fetched from servers"
            ) from None
        raise InputError(f"@{path}", f"the list cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"@{path}", "the list cannot be read (is no UTF-8 text)", _form_of(path)) from error
    entries = _entries(path, lines)
    if not entries:
        raise InputError(f"@{path}", "the list names no source", _form_of(path))
    return entries


def _form_of(path: Path) -> str:
    suffix = path.suffix.lower()
    return _JSON_FORM if suffix == _JSON_SUFFIX else _FORM if suffix in _YAML_SUFFIXES else _PLAIN_FORM


def _entries(path: Path, lines: list[str]) -> list[tuple[int, str]]:
    suffix = path.suffix.lower()
    written = [(number, line) for number, line in enumerate(lines, 1) if _says_something(line)]
    if suffix == _JSON_SUFFIX or (suffix in _YAML_SUFFIXES and written and written[0][1].lstrip().startswith("[")):
        return _json_items(path, "\n".join(line for _, line in written))
    if suffix in _YAML_SUFFIXES:
        return _yaml_items(path, written)
    entries = [(number, line.strip(_BLANKS)) for number, line in written]
    for number, entry in entries:
        if entry.startswith("- ") and not os.path.lexists(path.parent / entry):
            raise InputError(f"@{path}:{number}", "is an item of YAML", "call the list .yaml, or leave out the -")
    return entries


def _says_something(line: str) -> bool:
    text = line.strip(_BLANKS)
    return bool(text) and not text.startswith("#")


def _json_items(path: Path, text: str) -> list[tuple[int, str]]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):  # what is wrong may be in a line with a password
        items = None
    if not isinstance(items, list):
        raise InputError(f"@{path}", "is no list of JSON", _JSON_FORM)
    for number, item in enumerate(items, 1):
        if not isinstance(item, str) or not item.strip() or "\n" in item:
            raise InputError(f"@{path}", f"item {number} is no text of one line", _JSON_FORM)
    return list(enumerate(items, 1))


def _yaml_items(path: Path, written: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the items of YAML's simplest list: one document, one level, one line each."""
    items: list[tuple[int, str]] = []
    begun = ended = False
    indent = ""
    for number, line in written:
        where = f"@{path}:{number}"
        if ended or (begun and _START.fullmatch(line)):
            raise InputError(where, "begins a second document", "expected one list, of lines - SOURCE")
        if _START.fullmatch(line):
            begun = True
        elif _END.fullmatch(line):
            ended = True
        else:
            entry = line.lstrip(_BLANKS)
            here = line[: len(line) - len(entry)]
            if items and here != indent:
                raise InputError(where, "is indented otherwise than the items before", _FORM)
            begun, indent = True, here
            items.append((number, _item(entry.rstrip(_BLANKS), where)))
    return items


def _item(entry: str, where: str) -> str:
    found = _ITEM.fullmatch(entry)
    double, single, plain = found.groups() if found else (None, None, None)
    if found is None or (plain and _NO_PLAIN_TEXT.match(plain)):  # the line itself may hold a password
        raise InputError(where, "is no item of a list", _FORM)
    return double or (single or "").replace("''", "'") or plain or ""
