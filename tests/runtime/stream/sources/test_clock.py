from __future__ import annotations

import pytest

from pptsn.runtime.stream.sources.clock import FrameClock


def times(clock: FrameClock, *stated: float | None) -> list[float]:
    """Return what `clock` makes of frames that arrive every 0.1 s from 100 s on."""
    return [clock.time_s(time, 100 + 0.1 * index) for index, time in enumerate(stated)]


def file_clock(rate: float = 25.0) -> FrameClock:
    return FrameClock(rate, step_s=1 / rate)


def live_clock() -> FrameClock:
    return FrameClock(None, step_s=0.04)


def test_timestamps_are_passed_on():
    assert times(file_clock(), 5.0, 5.04, 7.0) == [5.0, 5.04, 7.0]


def test_a_file_without_timestamps_goes_by_its_frame_rate():
    assert times(file_clock(10), None, None, None) == pytest.approx([0.0, 0.1, 0.2])


def test_a_live_source_without_timestamps_goes_by_arrival():
    assert times(live_clock(), None, None, None) == pytest.approx([100.0, 100.1, 100.2])


def test_a_frame_without_its_timestamp_follows_the_one_before():
    assert times(file_clock(), 5.0, None, 5.2) == pytest.approx([5.0, 5.04, 5.2])


def test_times_go_on_where_only_the_first_frame_has_no_timestamp():
    assert times(live_clock(), None, 0.04, 0.08) == pytest.approx([100.0, 100.04, 100.08])


@pytest.mark.parametrize("jump_s", [-3600.0, -0.6, -0.04, 3600.0])
def test_jumps_are_passed_on(jump_s: float):
    assert times(live_clock(), 5000.0, 5000.0 + jump_s) == [5000.0, 5000.0 + jump_s]
