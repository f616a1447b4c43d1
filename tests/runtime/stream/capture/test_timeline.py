"""A source's clock, believed within limits: whatever its times are, the frames go on as they came."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pptsn.runtime.frames.grid import TimeGrid
from pptsn.runtime.stream.capture.timeline import Timeline

RATE = 10.0
GOOD = [index / RATE for index in range(120)]
STEP_S = 0.5
DUE = round(GOOD[-1] / STEP_S)  # predictions


def file_timeline(rate: float | None = RATE) -> Timeline:
    return Timeline(live=False, frame_rate=rate, coded_rate=rate)


def live_timeline(rate: float | None = RATE) -> Timeline:
    return Timeline(live=True, frame_rate=rate, coded_rate=rate)


class Outcome:
    """What a timeline makes of `stated` times that arrive at `arrivals`, and how many predictions follow."""

    def __init__(self, timeline: Timeline, stated: Sequence[float], arrivals: Sequence[float]) -> None:
        grid = TimeGrid(STEP_S, max_gap_s=2.0)
        self.times: list[float] = []
        self.notes: list[str] = []
        self.predictions = 0
        for stated_s, arrived_s in zip(stated, arrivals, strict=True):
            self.times.append(timeline.at(stated_s, 1000 + arrived_s))
            self.notes += timeline.notes()
            slot = grid.slot_of(self.times[-1], size=(8, 8), jumps=timeline.jumps)
            self.predictions += slot is not None
        self.jumps, self.jump = timeline.jumps, timeline.jump
        assert self.times == sorted(self.times)


def as_file(stated: Sequence[float]) -> Outcome:
    return Outcome(file_timeline(), stated, [index / 1000 for index in range(len(stated))])


def as_live(stated: Sequence[float], *, burst_s: float = 0.0) -> Outcome:
    """Frames come as they are taken, or those of `burst_s` seconds at once."""
    arrivals = [good_s if not burst_s else burst_s * (1 + good_s // burst_s) for good_s in GOOD]
    return Outcome(live_timeline(), stated, arrivals)


def shuffled(group: int) -> list[float]:
    mixing = random.Random(group)
    groups = [GOOD[start : start + group] for start in range(0, len(GOOD), group)]
    return [time_s for times in groups for time_s in mixing.sample(times, len(times))]


def frozen(first: int, *, creep_s: float = 0.0) -> list[float]:
    return [*GOOD[:first], *(GOOD[first] + creep_s * number for number in range(len(GOOD) - first))]


TRANSFORMS: dict[str, list[float]] = {
    "none": GOOD,
    **{f"frozen from {first} on": frozen(first) for first in (0, 1, 5, 12, 40, 61, 119)},
    **{f"all but frozen from {first} on": frozen(first, creep_s=1.1e-5) for first in (1, 40, 77)},
    **{
        f"jump by {jump_s} s": [t + jump_s * (t >= 6) for t in GOOD]
        for jump_s in (-1e6, -3600, -5, -2.1, -1.9, -0.6, -0.3, -0.1, 0.3, 0.9, 2.1, 5, 3600, 1e6, 1e10)
    },
    "frozen for 3 s": [min(t, 4.0) if t < 7 else t - 3 for t in GOOD],
    "frozen for 3 s, then right": [min(t, 4.0) if t < 7 else t for t in GOOD],
    **{f"shifted by {shift_s} s": [t + shift_s for t in GOOD] for shift_s in (-1e5, -1, 0.05, 1e9)},
    **{f"shuffled within {group}": shuffled(group) for group in (2, 3, 4, 5, 10, 12, 20)},
    "each thrice": [GOOD[index // 3 * 3] for index in range(len(GOOD))],
    "in whole seconds": [float(int(t)) for t in GOOD],
    "an hour ahead each second": [t + 3600 * int(t) for t in GOOD],
    "the same three seconds again": [t % 3 for t in GOOD],
    "backwards": GOOD[::-1],
    "by chance": [random.Random(7).uniform(0, 1e5) for _ in GOOD],
}


@pytest.mark.parametrize("how", [as_file, as_live, lambda stated: as_live(stated, burst_s=3.0)])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_predictions_go_on_whatever_the_clock_does(name: str, how: Callable[[list[float]], Outcome]):
    outcome = how(TRANSFORMS[name])
    assert abs(outcome.predictions - DUE) <= 2
    assert len(outcome.notes) <= 4


@pytest.mark.parametrize("how", [as_file, as_live])
@pytest.mark.parametrize("group", [30, 60, 120])
def test_leaps_of_seconds_within_a_group_are_holes_at_first(group: int, how: Callable[[list[float]], Outcome]):
    outcome = how(shuffled(group))
    assert DUE - 2 <= outcome.predictions <= DUE + 6


@pytest.mark.parametrize("factor", [0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 1.1, 2, 4, 100, 1e6])
def test_a_live_clock_of_another_rate_leaves_about_as_many(factor: float):
    outcome = as_live([t * factor for t in GOOD])
    assert abs(outcome.predictions - DUE) <= 4
    assert bool(outcome.notes or outcome.jumps) == (not 0.8 < factor < 1.2)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2])
def test_a_file_of_another_rate_is_believed(factor: float):
    outcome = as_file([t * factor for t in GOOD])
    assert outcome.times == pytest.approx([t * factor for t in GOOD])
    assert not outcome.notes


@pytest.mark.parametrize("factor", [0.001, 0.01, 0.1])
def test_a_files_clock_that_all_but_stands_still_is_not(factor: float):
    assert as_file([t * factor for t in GOOD]).predictions == DUE


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("states", [None, 1.0, 1000.0])
@pytest.mark.parametrize("rate", [25, 60, 120, 240])
@pytest.mark.parametrize("paused", [0, 2])
def test_the_steps_of_fast_cameras_are_steps_whatever_is_stated(
    rate: int, states: float | None, paused: int, *, live: bool
) -> None:
    # Of paused ones, two of the first steps of four last half a second, as those of a screen that is recorded.
    times = [
        number / rate + 0.5 * sum(0 < step <= number for step in range(1, 1 + paused)) for number in range(480)
    ]
    timeline = Timeline(live=live, frame_rate=states)
    outcome = Outcome(timeline, times, times)
    assert outcome.times == pytest.approx(times)
    assert not outcome.notes


@pytest.mark.parametrize("states", [0.5, 2.0])
def test_a_camera_that_sends_other_rates_than_it_states_is_believed(states: float):
    outcome = Outcome(live_timeline(RATE * states), GOOD, GOOD)
    assert outcome.times == pytest.approx(GOOD)
    assert not outcome.notes


@pytest.mark.parametrize("burst_s", [0.1, 0.5, 2.0, 4.0, 6.0])
def test_bursts_leave_the_clock_as_it_is(burst_s: float):
    outcome = as_live(GOOD, burst_s=burst_s)
    assert outcome.times == pytest.approx(GOOD)
    assert (outcome.jumps, outcome.notes) == (0, [])


@pytest.mark.parametrize("rate", [0.2, 0.5, 1.0])
def test_frames_seconds_apart_may_come_in_bursts(rate: float):
    stated = [index / rate for index in range(40)]
    outcome = Outcome(live_timeline(rate), stated, [20 * (1 + t // 20) for t in stated])
    assert outcome.times == pytest.approx(stated)
    assert (outcome.jumps, outcome.notes) == (0, [])


def test_what_happened_is_told():
    still, back = (
        "the source's clock stands still; going by its frames, 10 a second",
        "the source's clock is followed again",
    )
    assert as_file(TRANSFORMS["frozen for 3 s"]).notes == [still, back]
    assert as_live([t * 2 for t in GOOD]).notes == [
        "the source's clock runs at 2 times the pace of its frames; going by its frames, 10 a second"
    ]
    assert as_file(shuffled(12)).notes == [
        "the source's timestamps are out of order; going by its frames, 10 a second"
    ]
    assert as_live(TRANSFORMS["an hour ahead each second"]).notes == [
        "the source's clock jumps again and again; going by its frames, 10 a second"
    ]
    assert as_live([t + 3600 * (t >= 6) for t in GOOD]).jump == "the source's clock jumped ahead by 3600 s"
    assert as_file([t - 3600 * (t >= 6) for t in GOOD]).jump == "the source's clock jumped back by 3600 s"


@pytest.mark.parametrize("lost", [0, 3, 6, 12, 19, 30])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("uneven", [False, True])
def test_a_hole_among_frames_of_one_rate_is_told_once(lost: int, live: bool, uneven: bool):
    """Of one that is longer than 2 s the grid says so; where frames have no rate none is a hole."""
    timeline = Timeline(live=live, frame_rate=RATE, coded_rate=RATE, max_gap_s=2.0)
    stated = [time_s + 0.08 * (uneven and index % 3 == 0) for index, time_s in enumerate(GOOD)]
    told = []
    for time_s in stated[:60] + stated[60 + lost :]:
        timeline.at(time_s, 1000 + time_s)
        told += timeline.notes()
    assert len(told) == (not uneven and 5 <= lost < 20)
    assert not told or told == [f"no frame for {(lost + 1) / RATE:.3g} s"]


def test_times_that_are_right_again_are_taken_as_they_are():
    outcome = as_file([*shuffled(10)[:40], *GOOD[40:]])
    assert outcome.times[60:] == pytest.approx(GOOD[60:])


def test_counts_from_the_first_frame():
    assert as_file([1000 + t for t in GOOD]).times == pytest.approx(GOOD)


def test_a_clock_that_steps_back_goes_on_where_it_was():
    timeline = Timeline(live=False, frame_rate=1.0)
    assert [timeline.at(pts, 0.0) for pts in (10.0, 11.0, 12.0, 10.0, 11.0)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert timeline.jumps == 1


def test_a_live_clock_that_jumps_an_hour_goes_on_by_the_time_that_passed():
    timeline = live_timeline(None)
    times = [timeline.at(pts, now) for pts, now in ((0.0, 50.0), (0.5, 50.5), (3600.5, 51.0), (3601.0, 51.5))]
    assert times == [0.0, 0.5, 1.0, 1.5]
    assert timeline.jumps == 1


def test_a_live_pause_is_no_jump():
    timeline = live_timeline()
    assert timeline.at(0.0, 50.0) == 0.0
    assert timeline.at(30.0, 80.1) == 30.0
    assert timeline.jumps == 0


@pytest.mark.parametrize("hole_s", [3600.0, 40_000.0])
def test_a_hole_in_a_file_is_believed(hole_s: float):
    timeline = file_timeline()
    assert [timeline.at(pts, 0.0) for pts in (0.0, hole_s)] == [0.0, hole_s]
    assert timeline.jumps == 0


def test_a_picture_a_minute_is_believed():
    timeline = file_timeline(25.0)
    assert [timeline.at(60.0 * index, 0.0) for index in range(100)] == [60.0 * index for index in range(100)]
    assert timeline.notes() == []


def test_small_steps_back_become_pauses():
    timeline = file_timeline(25.0)
    assert [timeline.at(pts, 0.0) for pts in (0.0, 0.08, 0.04, 0.16, 0.12)] == [0.0, 0.08, 0.08, 0.16, 0.16]
    assert timeline.notes() == []


def test_arrivals_tell_the_rate_of_a_clock_that_stands_still():
    """The codec states 25 frames a second; five come."""
    arrivals = [index / 5 for index in range(300)]
    outcome = Outcome(live_timeline(25.0), [0.0] * 300, arrivals)
    assert outcome.times[-1] - outcome.times[200] == pytest.approx(arrivals[-1] - arrivals[200], rel=0.02)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stated", [None, 1.0, 2.0, 3.0, 5.0, 10.0, 25.0, 30.0, 200.0, 1000.0])
@pytest.mark.parametrize("tick_s", [0.001, 0.05, 0.1, 0.2, 0.5])
def test_a_false_rate_and_a_coarse_clock_leave_about_as_many(tick_s: float, stated: float | None, *, live: bool):
    good = [index / 25 for index in range(500)]
    coarse = [int(time_s / tick_s + 1e-9) * tick_s for time_s in good]
    timeline = Timeline(live=live, frame_rate=stated)
    outcome = Outcome(timeline, coarse, good if live else [time_s / 40 for time_s in good])
    if tick_s <= 0.1 or stated is None or stated >= 5:
        assert outcome.predictions == pytest.approx(40, abs=7)
    else:  # the clock stands still for longer than a source that states so few frames is waited for
        assert outcome.predictions < 210
