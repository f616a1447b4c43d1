"""Messages and pipelines as the tests of sinks need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pptsn.runtime.stream.actions.messages import ActionEvent, Stages, StreamNotice, StreamPrediction
from pptsn.runtime.stream.health.snapshots import SinkHealth, StreamHealth

LABELS = ("walking", "riding a bike", "dancing")


def prediction(
    number: int = 0,
    *,
    stream: str = "door",
    scores: Sequence[float] = (0.1, 0.7, 0.2),
    labels: tuple[str, ...] = LABELS,
    stale: bool = False,
) -> StreamPrediction:
    return StreamPrediction(
        stream=stream,
        source="clip.mp4",
        number=number,
        session=0,
        time_s=number / 2,
        wall_time=1_700_000_000.0 + number,
        window_s=3.0,
        frames=8,
        warming_up=False,
        stale=stale,
        scores=np.array(scores, np.float32),
        labels=labels,
        stages=Stages(0.0, 0.002, 0.004, 0.014, 0.015),
    )


def event(*, ended: bool = False, stream: str = "door", label: str = "dancing") -> ActionEvent:
    return ActionEvent(
        stream=stream,
        source="clip.mp4",
        number=0,
        session=0,
        phase="ended" if ended else "started",
        class_id=2,
        label=label,
        start_s=4.0,
        end_s=16.0 if ended else None,
        start_wall_time=1_700_000_004.0,
        end_wall_time=1_700_000_016.0 if ended else None,
        peak_score=0.95,
        mean_score=0.8,
        predictions=20,
    )


def notice(*, stream: str = "door", state: str = "retrying", detail: str = "connection refused") -> StreamNotice:
    return StreamNotice(stream, "clip.mp4", 1_700_000_002.0, state, detail)


class FakeView:
    """A pipeline whose health a test sets."""

    def __init__(self, streams: Sequence[StreamHealth] = (), sinks: Sequence[SinkHealth] = ()) -> None:
        self.streams = tuple(streams)
        self.sink_health = tuple(sinks)
        self.asked = 0

    def health(self) -> tuple[StreamHealth, ...]:
        self.asked += 1
        return self.streams

    def sinks(self) -> tuple[SinkHealth, ...]:
        return self.sink_health

    def picture(self, stream: str) -> None:
        return None
