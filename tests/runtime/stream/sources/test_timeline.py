"""A source's clock, made to run forwards."""

from __future__ import annotations

from pptsn.runtime.stream.sources.clock import Timeline


def test_counts_from_the_first_frame():
    timeline = Timeline(live=False)
    assert [timeline.at(1000 + i / 4, 0.0) for i in range(3)] == [0.0, 0.25, 0.5]
    assert timeline.jumps == 0


def test_a_clock_that_steps_back_goes_on_where_it_was():
    timeline = Timeline(live=False)
    times = [timeline.at(pts, 0.0) for pts in (10.0, 11.0, 12.0, 10.0, 11.0)]
    assert times == [0.0, 1.0, 2.0, 2.04, 3.04]
    assert timeline.jumps == 1


def test_a_live_clock_that_jumps_an_hour_goes_on_by_the_time_that_passed():
    timeline = Timeline(live=True)
    times = [timeline.at(pts, now) for pts, now in ((0.0, 50.0), (0.5, 50.5), (3600.5, 51.0), (3601.0, 51.5))]
    assert times == [0.0, 0.5, 1.0, 1.5]
    assert timeline.jumps == 1


def test_a_live_pause_is_no_jump():
    timeline = Timeline(live=True)
    assert timeline.at(0.0, 50.0) == 0.0
    assert timeline.at(30.0, 80.1) == 30.0
    assert timeline.jumps == 0


def test_a_hole_in_a_file_is_believed():
    timeline = Timeline(live=False)
    assert [timeline.at(pts, 0.0) for pts in (0.0, 3600.0)] == [0.0, 3600.0]
    assert timeline.jumps == 0
