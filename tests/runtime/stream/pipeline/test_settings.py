"""The choices of a user, checked."""

from __future__ import annotations

import math

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.pipeline.settings import StreamSettings


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
