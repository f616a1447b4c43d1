"""The stream pipeline over files, and the same work without it: what its targets compare."""

from __future__ import annotations

from collections.abc import Sequence

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.actions.messages import Message, StreamPrediction
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sources.uri import parse_source
from tools.gains.stream_frames import MAX_GAP_S, stream_frames

STEP_S = 0.2


class Ages(Sink):
    """Keeps how old each prediction was, from capture to sink, in milliseconds."""

    name = "ages"

    def __init__(self) -> None:
        self.total_ms: list[float] = []

    def write(self, message: Message) -> None:
        """Note the age of a prediction."""
        if isinstance(message, StreamPrediction):
            self.total_ms.append(1000 * (message.stages.emitted_s - message.stages.captured_s))

    def close(self) -> None:
        """Do nothing."""


def settings_for(segments: int = 8, *, step_s: float = STEP_S, views: str = "center") -> StreamSettings:
    """Return settings with a sampled frame each `step_s`, and a prediction with each."""
    return StreamSettings(window_s=step_s * segments, segments=segments, views=views, max_gap_s=MAX_GAP_S)


def run_pipeline(engine: Engine, sources: Sequence[str], settings: StreamSettings) -> list[float]:
    """Run `sources` to their end; return the age of each prediction, in milliseconds.

    Raises InputError for a source that failed.
    """
    ages = Ages()
    pipeline = StreamPipeline(engine, settings)
    with pipeline:
        pipeline.add_sink(ages)
        for source in sources:
            pipeline.add(parse_source(source))
        pipeline.start()
        pipeline.wait()
        for health in pipeline.health():
            if pipeline.exit_code and health.state == "failed":
                raise InputError(health.source, health.detail)
    return ages.total_ms


def sampled_frames(source: str, engine: Engine) -> list[Frame]:
    """Return the sampled, resized frames of a file: decoding, sampling and resizing, and nothing else."""
    return stream_frames(source, engine.spec, step_s=STEP_S)


def infer_all(engine: Engine, crops: Frame) -> None:
    """Run the engine on `crops`, a batch at a time."""
    for start in range(0, len(crops), engine.batch_size):
        engine.infer(crops[start : start + engine.batch_size])
