"""Dataclasses that travel as JSON: each field is checked against its type, which makes the JSON schema too.

What a type alone does not say stands in its annotation, as `msgspec.Meta`, with a description of what is expected.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

import msgspec

SWITCH = msgspec.Meta(description="true or false")


def exactly(number: int) -> msgspec.Meta:
    """Return what says that a number is `number`."""
    return msgspec.Meta(ge=number, le=number, description=str(number))


def one_of(names: Iterable[str]) -> msgspec.Meta:
    """Return what says that a text is one of `names`."""
    names = tuple(names)
    # A `$` of Python's also stands before a line's end.
    return msgspec.Meta(pattern=f"^({'|'.join(names)})$(?!\\n)", description=f"one of {', '.join(names)}")


def wrong_field(instance: Any) -> str | None:
    """Return what is wrong with the first field whose value is not as its type says, or None."""
    for name, hint in _hints(type(instance)).items():
        value = getattr(instance, name)
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            return f"{name} is {shortened(value)}, expected {_expected(hint, error)}"
    return None


def wrong_names(cls: type, values: Mapping[str, Any]) -> str | None:
    """Return which of the fields of `cls` are missing in `values`, and what is there beside them, or None."""
    names = {field.name for field in dataclasses.fields(cls)}
    unknown, missing = sorted(values.keys() - names), sorted(names - values.keys())
    wrong = {"has unknown fields": unknown, "lacks": missing}
    return " and ".join(f"{what} {which}" for what, which in wrong.items() if which) or None


def as_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON's values as fields have them: tuples for lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def json_schema(cls: type) -> dict[str, Any]:
    """Return the JSON Schema of `cls` as it is written: every field is there, and nothing else."""
    (reference,), components = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
    for component in components.values():
        for property_ in component["properties"].values():
            property_.pop("default", None)
        component["description"] = inspect.cleandoc(component["description"])  # whatever Python made of its indent
        component |= {"required": list(component["properties"]), "additionalProperties": False}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **reference, "$defs": components}


def shortened(value: object) -> str:
    """Return `value` as it stands in errors."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _expected(hint: Any, error: msgspec.ValidationError) -> str:
    alternatives = (hint, *get_args(hint))  # of a field that may be None, the description is within
    abouts = [about for each in alternatives for about in get_args(each)[1:] if isinstance(about, msgspec.Meta)]
    described = [about.description for about in abouts]
    return next(filter(None, described), str(error).partition(" - at ")[0].removeprefix("Expected "))
