"""The choices of a user, checked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.protocols import StreamProtocol
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from tests.models import tiny_spec


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"window_s": 0.0}, "--window"),
        ({"window_s": math.nan}, "--window"),
        ({"window_s": math.inf}, "--window"),
        ({"window_s": 0.5, "segments": 1000}, "--window"),
        ({"segments": 0}, "--segments"),
        ({"every_s": -1.0}, "--every"),
        ({"views": "eleven"}, "--views"),
        ({"policy": "latest"}, "--policy"),
        ({"queue_frames": 0}, "--queue"),
        ({"queue_frames": 10**9}, "--queue"),
        ({"max_wait_s": -0.1}, "--max-wait-ms"),
        ({"max_gap_s": -1.0}, "--max-gap"),
        ({"timeout_s": 0.0}, "--timeout"),
        ({"max_retries": -1}, "--max-retries"),
        ({"at_once": 0}, "--at-once"),
        ({"frozen_after_s": math.nan}, "--frozen-after"),
    ],
)
def test_senseless_choices_are_refused_by_name(changes: dict[str, object], option: str):
    with pytest.raises(UsageError) as error:
        StreamSettings(**changes)  # type: ignore[arg-type]
    assert error.value.thing == option


def test_step_is_the_windows_part():
    assert StreamSettings(window_s=10, segments=25).step_s == 0.4


GIVEN: list[dict[str, Any]] = [{}, {"segments": 2}, {"window_s": 1.0, "segments": 16, "views": "ten"}]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("said", [{}, {"views": "three"}, {"window_s": 2.0, "segments": 4, "views": "three"}])
def test_what_is_given_wins_over_the_model_and_the_model_over_the_defaults(
    said: dict[str, Any], given: dict[str, Any]
):
    spec = tiny_spec(**{f"stream_{name}": value for name, value in said.items()})
    settings = StreamSettings(**given, timeout_s=3).for_model(spec)
    assert settings.protocol == StreamProtocol(**(said | given))
    assert settings == StreamSettings(
        **({"window_s": 4.0, "segments": 8, "views": "center"} | said | given), timeout_s=3
    )


@pytest.mark.parametrize(
    ("said", "given", "line"),
    [
        ({}, {}, "--window 4 --segments 8 --views center (by default)"),
        (
            {"stream_window_s": 2.5},
            {"segments": 4},
            "--window 2.5 (as the model says), --segments 4 (as given), --views center (by default)",
        ),
        (
            {"stream_window_s": 2.5, "stream_segments": 5, "stream_views": "ten"},
            {"views": "three"},
            "--window 2.5 --segments 5 (as the model says), --views three (as given)",
        ),
    ],
)
def test_who_decided_how_streams_are_looked_at_is_told(said: dict[str, Any], given: dict[str, Any], line: str):
    assert StreamSettings(**given).told(tiny_spec(**said)) == f"streams are looked at as by {line}"


def test_a_choice_that_does_not_fit_the_model_is_refused_and_others_are_not():
    narrow = StreamSettings(window_s=0.005)
    assert narrow.for_model(tiny_spec(stream_segments=4)).step_s == 0.00125
    with pytest.raises(UsageError, match=r"--window: gives 0\.0005 s .*; change --window or --segments"):
        narrow.for_model(tiny_spec(stream_segments=10))
