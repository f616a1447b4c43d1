"""From scores to events: smoothing, hysteresis, cool-down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.events import Decider, Decision
from pptsn.runtime.stream.actions.messages import ActionEvent
from pptsn.runtime.stream.actions.thresholds import DecisionRules, Threshold

LABELS = ("archery", "fight", "news, live")


def rules_of(**changes: object) -> DecisionRules:
    return DecisionRules(**{"thresholds": {0: Threshold(0.6, 0.4), 1: Threshold(0.5, 0.5)}, **changes})  # type: ignore[arg-type]


def decider_of(**changes: object) -> Decider:
    return Decider(rules_of(**changes), LABELS, "rtsp://door")


def scores_of(*values: float) -> np.ndarray:
    return np.array([*values, 0.0, 0.0, 0.0][:3], np.float32)


def add(
    decider: Decider,
    scores: np.ndarray,
    time_s: float,
    wall_time: float,
    *,
    session: int = 0,
    warming_up: bool = False,
) -> Decision:
    """Give the scores of a window that ends with the frame at `time_s`."""
    stamp = FrameStamp("door", session, 0, 0, time_s, wall_time, 0.0, 0.0)
    return decider.add(scores, stamp, warming_up=warming_up)


def run(decider: Decider, series: list[float], *, warming_up: bool = False) -> list[ActionEvent]:
    """Give the scores of class 0, one a second, and return the events."""
    events: list[ActionEvent] = []
    for time_s, score in enumerate(series):
        events += add(decider, scores_of(score), time_s, 1000 + time_s, warming_up=warming_up).events
    return events


# --- smoothing ---


def test_without_smoothing_scores_are_handed_on_as_they_are() -> None:
    scores = scores_of(0.3, 0.7)
    assert add(decider_of(), scores, 0, 0).scores is scores


def smoothed(times_s: list[float], *, tau_s: float = 2.0) -> float:
    """Return the mean after a 0 at time 0 and ones at the given times."""
    decider = decider_of(smoothing_s=tau_s)
    add(decider, scores_of(0.0), 0, 0)
    for time_s in times_s:
        last = add(decider, scores_of(1.0), time_s, time_s).scores
    return float(last[0])


def test_the_mean_follows_time_and_not_the_number_of_predictions() -> None:
    expected = pytest.approx(1 - math.exp(-3 / 2), abs=1e-6)
    assert smoothed([3.0]) == expected
    assert smoothed([0.1, 0.2, 1.9, 2.0, 3.0]) == expected
    assert smoothed([i / 100 for i in range(1, 301)]) == expected


def test_smoothed_scores_are_float32_sum_to_one_and_leave_their_input_alone() -> None:
    decider = decider_of(smoothing_s=1.0)
    rng = np.random.default_rng(3)
    for time_s in range(50):
        scores = rng.dirichlet([1, 1, 1]).astype(np.float32)
        before = scores.copy()
        decision = add(decider, scores, time_s, time_s)
        assert decision.scores.dtype == np.float32
        assert decision.scores.sum() == pytest.approx(1, abs=1e-6)
        np.testing.assert_array_equal(scores, before)


def test_a_reset_forgets_earlier_scores() -> None:
    decider = decider_of(smoothing_s=10.0)
    add(decider, scores_of(1.0), 0, 0)
    decider.reset()
    assert add(decider, scores_of(0.2), 1, 1).scores[0] == np.float32(0.2)


def test_smoothing_keeps_a_single_high_score_from_making_an_event() -> None:
    series = [0.1] * 5 + [1.0] + [0.1] * 5
    assert run(decider_of(smoothing_s=5.0), series) == []
    assert len(run(decider_of(), series)) == 2


# --- events ---


def test_an_event_starts_at_the_upper_threshold_and_ends_below_the_lower_one() -> None:
    started, ended = run(decider_of(), [0.5, 0.6, 0.9, 0.45, 0.4, 0.39, 0.5])
    assert (started.phase, started.start_s, started.end_s, started.predictions) == ("started", 1, None, 1)
    assert (started.class_id, started.label, started.stream, started.source) == (
        0,
        "archery",
        "door",
        "rtsp://door",
    )
    assert started.start_wall_time == 1001
    assert started.peak_score == started.mean_score == pytest.approx(0.6)
    assert (ended.phase, ended.start_s, ended.end_s) == ("ended", 1, 5)
    assert (ended.start_wall_time, ended.end_wall_time) == (1001, 1005)
    assert ended.number == started.number == 0
    assert ended.predictions == 4
    assert ended.peak_score == pytest.approx(0.9)
    assert ended.mean_score == pytest.approx((0.6 + 0.9 + 0.45 + 0.4) / 4)


def test_hysteresis_keeps_a_trembling_score_from_flapping() -> None:
    trembling = [0.59 if i % 2 else 0.61 for i in range(100)]
    assert [event.phase for event in run(decider_of(), trembling)] == ["started"]
    narrow = decider_of(thresholds={0: Threshold(0.6, 0.6)})
    assert len(run(narrow, trembling)) == 100


def test_what_is_active_is_told_with_its_scores_so_far() -> None:
    decider = decider_of()
    run(decider, [0.7, 0.9])
    (active,) = decider.active
    assert (active.phase, active.end_s, active.predictions) == ("started", None, 2)
    assert active.peak_score == pytest.approx(0.9)
    assert active.mean_score == pytest.approx(0.8)
    run(decider, [0.1])
    assert decider.active == ()


def test_no_event_starts_while_the_window_warms_up() -> None:
    decider = decider_of()
    assert run(decider, [0.9, 0.9], warming_up=True) == []
    assert [event.phase for event in run(decider, [0.9])] == ["started"]


def test_a_reset_ends_events_at_their_last_prediction_and_a_second_one_ends_nothing() -> None:
    decider = decider_of()
    run(decider, [0.9, 0.8])
    (ended,) = decider.reset()
    assert (ended.phase, ended.end_s, ended.end_wall_time, ended.predictions) == ("ended", 1, 1001, 2)
    assert decider.reset() == ()


def test_a_new_session_ends_events_and_their_numbers_go_on() -> None:
    decider = decider_of()
    run(decider, [0.9, 0.8])
    ended, started = add(decider, scores_of(0.9), 0.0, 1010.0, session=1).events
    assert (ended.phase, ended.session, ended.end_s) == ("ended", 0, 1)
    assert (started.phase, started.session, started.number) == ("started", 1, 1)


def test_classes_without_a_threshold_make_no_events() -> None:
    decision = add(decider_of(), scores_of(0.0, 0.0, 1.0), 0, 0)
    assert decision.events == ()


def test_several_classes_have_events_at_once() -> None:
    decider = decider_of()
    started = add(decider, scores_of(0.7, 0.7), 0, 0).events
    assert [(event.class_id, event.number) for event in started] == [(0, 0), (1, 1)]
    (ended,) = add(decider, scores_of(0.7, 0.1), 1, 1).events
    assert ended.class_id == 1
    assert [event.class_id for event in decider.active] == [0]


def test_a_class_rests_for_the_cool_down_and_then_starts_anew() -> None:
    events = run(decider_of(cool_down_s=5.0), [0.9, 0.1] + [0.9] * 8)
    assert [(event.phase, event.start_s) for event in events] == [("started", 0), ("ended", 0), ("started", 6)]


def test_the_cool_down_of_one_class_does_not_silence_another() -> None:
    decider = decider_of(cool_down_s=5.0)
    run(decider, [0.9, 0.1])
    decision = add(decider, scores_of(0.0, 0.9), 2, 1002)
    assert [event.class_id for event in decision.events] == [1]


@pytest.mark.parametrize(("wall_time", "starts"), [(1003.0, False), (1006.0, True), (500.0, True)])
def test_between_sessions_the_cool_down_goes_by_wall_time(wall_time: float, starts: bool) -> None:
    decider = decider_of(cool_down_s=5.0)
    run(decider, [0.9, 0.1])
    events = add(decider, scores_of(0.9), 100.0, wall_time, session=1).events
    assert bool(events) is starts


@pytest.mark.parametrize("seed", range(20))
def test_events_of_a_class_start_and_end_in_turn_and_keep_the_cool_down(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cool_down_s = float(rng.choice([0.0, 1.0, 3.0]))
    decider = Decider(
        DecisionRules(
            float(rng.choice([0.0, 0.5])), {c: Threshold(0.4, 0.3) for c in range(3)}, None, cool_down_s
        ),
        LABELS,
        "rtsp://door",
    )
    events: list[ActionEvent] = []
    time_s = 0.0
    for _ in range(300):
        time_s += float(rng.exponential(0.4))
        if rng.random() < 0.02:
            events += decider.reset()
        scores = rng.dirichlet([0.4] * 3).astype(np.float32)
        decision = add(decider, scores, time_s, time_s, warming_up=bool(rng.random() < 0.1))
        events += decision.events
        assert {event.number for event in decider.active} == open_numbers(events)
    events += decider.reset()
    assert len(events) > 20
    assert open_numbers(events) == set()
    numbers = [event.number for event in events if event.phase == "started"]
    assert numbers == list(range(len(numbers)))
    for class_id in range(3):
        check_turns([event for event in events if event.class_id == class_id], cool_down_s)


def open_numbers(events: list[ActionEvent]) -> set[int]:
    return {e.number for e in events if e.phase == "started"} - {e.number for e in events if e.phase == "ended"}


def check_turns(events: list[ActionEvent], cool_down_s: float) -> None:
    assert [event.phase for event in events] == ["started", "ended"] * (len(events) // 2)
    last_end_s = -math.inf
    for started, ended in zip(events[::2], events[1::2], strict=True):
        assert started.number == ended.number
        assert ended.end_s is not None
        assert started.start_s == ended.start_s <= ended.end_s
        assert started.start_s - last_end_s >= cool_down_s
        assert 0.3 <= ended.mean_score <= ended.peak_score + 1e-6
        last_end_s = ended.end_s
