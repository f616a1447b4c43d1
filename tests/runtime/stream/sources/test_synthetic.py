from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pytest

from tests.runtime.stream.sources.looking import all_frames, opened, times


def pixels(text: str) -> list[np.ndarray]:
    return [captured.frame.to_ndarray() for captured in all_frames(text)]


def test_size_rate_and_length_are_exact():
    frames = all_frames("synthetic:?size=321x17&fps=12.5&frames=5")
    assert {(c.frame.width, c.frame.height, c.frame.format.name) for c in frames} == {(321, 17, "rgb24")}
    assert times(frames) == [0.0, 0.08, 0.16, 0.24, 0.32]


def test_seconds_end_it_too():
    with opened("synthetic:?fps=10&seconds=1.5") as source:
        assert source.duration_s == 1.5
        assert len(list(source.frames())) == 15


def test_it_goes_on_where_nothing_ends_it():
    with opened("synthetic:") as source:
        assert (source.live, source.frame_rate, source.duration_s) == (False, 25.0, None)
        assert len(list(islice(source.frames(), 300))) == 300


@pytest.mark.parametrize("pattern", ["bars", "noise"])
def test_pictures_depend_on_number_and_seed_alone(pattern: str):
    first, again, other = (pixels(f"synthetic:?frames=4&pattern={pattern}&seed={seed}") for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again))
    assert not any(map(np.array_equal, first, other))
    assert not any(map(np.array_equal, first, first[1:]))


def test_a_still_picture_stays():
    first, *others = pixels("synthetic:?frames=4&pattern=still")
    assert first.std() > 10
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("size", ["1x1", "2x500", "500x2"])
def test_any_size_can_be_drawn(size: str):
    assert len(pixels(f"synthetic:?frames=300&size={size}")) == 300


def test_a_live_one_keeps_to_the_clock():
    begin_s = time.monotonic()
    with opened("synthetic:?fps=20&frames=11&live=1&size=32x32") as source:
        assert source.live
        frames = list(source.frames())
    assert 0.5 <= time.monotonic() - begin_s < 4
    assert [c.captured_s for c in frames] == sorted(c.captured_s for c in frames)
    assert times(frames)[-1] == 0.5
