"""How a video is looked at, checked."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.frames.protocols import PROTOCOLS


@pytest.mark.parametrize(
    "given", [{}, {"views": "center"}, {"segments": 1, "views": "three", "sampling": "centre"}]
)
def test_what_is_not_given_is_left_to_the_model(given: dict[str, Any]):
    for own in PROTOCOLS.values():
        assert ClassifySettings(**given).changing(own) == dataclasses.replace(own, **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": 0}, "--segments: expected 1 to 100000, got 0"),
        ({"segments": "3"}, "--segments: expected 1 to 100000, got '3'"),
        ({"segments": 2.5}, "--segments: expected 1 to 100000, got 2.5"),
        ({"views": "five"}, "--views: unknown plan 'five'; choose one of ten, three, center"),
        ({"sampling": "random"}, "--sampling: unknown rule 'random'; choose one of centre, linspace"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, object], message: str):
    with pytest.raises(UsageError) as error:
        ClassifySettings(**changes)  # type: ignore[arg-type]
    assert str(error.value) == message
