"""The stream pipeline over files, and the same work without it: what its targets compare."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.engines import Engine
from runtime.errors import InputError
from runtime.preprocess import Frame, resize_frame
from runtime.stream.capture.opening import open_source
from runtime.stream.grid import TimeGrid
from runtime.stream.messages import Message, StreamPrediction
from runtime.stream.pipeline import StreamPipeline
from runtime.stream.settings import StreamSettings
from runtime.stream.sinks.base import Sink
from runtime.stream.timeline import Timeline
from runtime.stream.uri import parse_source
from runtime.video.picture import PictureMaker

STEP_S = 0.2
_MAX_GAP_S = 60.0
_OPENING_S = 5.0


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
    return StreamSettings(window_s=step_s * segments, segments=segments, views=views, max_gap_s=_MAX_GAP_S)


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
    spec, uri = engine.spec, parse_source(source)
    grid, timeline = TimeGrid(STEP_S, max_gap_s=_MAX_GAP_S), Timeline(live=False)

    def resize(pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    pictures = PictureMaker(source, None, resize)
    frames = []
    with open_source(uri, timeout_s=_OPENING_S) as opened:
        for captured in opened.frames():
            time_s = timeline.at(captured.pts_s, captured.captured_s)
            if grid.place(time_s, size=(captured.frame.width, captured.frame.height)):
                frames.append(pictures.make(captured.frame, 0).pixels)
    return frames
