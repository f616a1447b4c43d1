"""From the inferred frames of a stream to predictions and events."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from pptsn.runtime.classify.results import softmax
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.analysis import InferredFrame, StreamAnalysis
from pptsn.runtime.stream.actions.messages import StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules, Threshold

LABELS = ("archery", "fight")
STEP_S = 0.5


def analysis_of(rules: DecisionRules | None = None, **changes: object) -> StreamAnalysis:
    options = {"segments": 4, "step_s": STEP_S, "every_s": None, "max_staleness_s": 60.0, **changes}
    return StreamAnalysis("rtsp://door", LABELS, rules or DecisionRules(), **options)  # type: ignore[arg-type]


def frame_at(slot: int, logits: tuple[float, float] = (1.0, 0.0), **changes: object) -> InferredFrame:
    """Return the frame in a slot of the grid, captured now."""
    now_s = time.monotonic()
    stamp = FrameStamp("door", 0, 0, slot, slot * STEP_S, 1000 + slot * STEP_S, now_s, now_s + 0.01)
    return InferredFrame(replace(stamp, **changes), np.array(logits), now_s + 0.02, now_s + 0.03)  # type: ignore[arg-type]


def predictions(analysis: StreamAnalysis, frames: list[InferredFrame]) -> list[StreamPrediction]:
    found = [analysis.add(frame).prediction for frame in frames]
    return [prediction for prediction in found if prediction is not None]


def test_a_prediction_has_the_times_of_the_frames_stamp():
    frame = frame_at(3, session=2)
    (prediction,) = predictions(analysis_of(), [frame])
    stamp = frame.stamp
    assert (prediction.stream, prediction.source, prediction.session) == ("door", "rtsp://door", 2)
    assert (prediction.time_s, prediction.wall_time) == (stamp.time_s, stamp.wall_time)
    stages = prediction.stages
    assert (stages.captured_s, stages.decoded_s) == (stamp.captured_s, stamp.decoded_s)
    assert (stages.queued_s, stages.inferred_s) == (frame.queued_s, frame.inferred_s)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_scores_are_those_of_the_mean_over_the_window(temperature: float):
    rows = [(float(slot), 0.0) for slot in range(6)]
    analysis = analysis_of(temperature=temperature)
    made = predictions(analysis, [frame_at(slot, row) for slot, row in enumerate(rows)])
    expected = softmax(np.array([3.5, 0.0], np.float32) / np.float32(temperature))
    np.testing.assert_allclose(made[-1].scores, expected, rtol=1e-6)
    assert [prediction.number for prediction in made] == list(range(6))
    assert [prediction.warming_up for prediction in made] == [True, True, True, False, False, False]
    assert made[-1].window_s == 4 * STEP_S


@pytest.mark.parametrize(
    ("every_s", "slots"), [(None, [0, 1, 2, 3, 4, 5, 6]), (1.0, [0, 2, 4, 6]), (1.5, [0, 3, 6])]
)
def test_predictions_come_once_a_period(every_s: float | None, slots: list[int]):
    made = predictions(analysis_of(every_s=every_s), [frame_at(slot) for slot in range(7)])
    assert [prediction.time_s for prediction in made] == [slot * STEP_S for slot in slots]


@pytest.mark.parametrize("changes", [{"session": 1}, {"epoch": 1}])
def test_another_stretch_of_time_begins_the_window_anew_and_ends_events(changes: dict[str, int]):
    analysis = analysis_of(DecisionRules(thresholds={0: Threshold(0.6, 0.4)}))
    for slot in range(5):
        finding = analysis.add(frame_at(slot))
        assert not finding.reset
    assert [event.phase for event in analysis.active] == ["started"]
    finding = analysis.add(frame_at(0, (9.0, 0.0), **changes))
    assert finding.reset
    assert [event.phase for event in finding.events] == ["ended"]
    assert finding.prediction is not None
    assert (finding.prediction.frames, finding.prediction.warming_up) == (1, True)


def test_what_is_older_than_was_asked_for_is_stale():
    analysis = analysis_of(max_staleness_s=5.0)
    old_s = time.monotonic() - 6
    made = predictions(analysis, [frame_at(0), frame_at(1, captured_s=old_s)])
    assert [prediction.stale for prediction in made] == [False, True]
