"""What is said of JSON whose fields are not those of its class."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pptsn.runtime.base.fields import wrong_names


@dataclass(frozen=True)
class Door:
    width: int
    colour: str


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("width", "colour"), None),
        (("width", "colour", "sound"), "has unknown fields ['sound']"),
        (("width",), "lacks ['colour']"),
        ((), "lacks ['colour', 'width']"),
        (("width", "sound", "light"), "has unknown fields ['light', 'sound'] and lacks ['colour']"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_else(names: tuple[str, ...], said: str | None) -> None:
    assert wrong_names(Door, dict.fromkeys(names)) == said
