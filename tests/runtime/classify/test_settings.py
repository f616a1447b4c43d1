"""How a video is looked at, checked."""

from __future__ import annotations

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.settings import ClassifySettings


def test_the_defaults_are_those_of_the_published_inference():
    assert ClassifySettings() == ClassifySettings(segments=25, views="ten", sampling="centre")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": 0}, "--segments: expected 1 to 100000, got 0"),
        ({"views": "five"}, "--views: unknown plan 'five'; choose one of ten, three, center"),
        ({"sampling": "random"}, "sampling: unknown rule 'random'; choose one of centre, linspace"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, object], message: str):
    with pytest.raises(UsageError) as error:
        ClassifySettings(**changes)  # type: ignore[arg-type]
    assert str(error.value) == message
