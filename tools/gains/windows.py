"""Windows on a stream: the plain way, which recomputes each, and the toolkit's, which infers each frame once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.results import softmax
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.actions.messages import Message, StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sources.uri import parse_source
from pptsn.runtime.video import open_video
from tools.gains.baseline import SwitchedClassifier
from tools.gains.stream_frames import MAX_GAP_S


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """Which frames of a clip are sampled, as those of a stream, and how they make windows.

    step_s: seconds between sampled frames.  segments: frames of a window.  views: crops of a frame.
    """

    step_s: float
    segments: int
    views: str

    @property
    def settings(self) -> StreamSettings:
        """The stream's settings: a prediction with each sampled frame, none of which is dropped."""
        return StreamSettings(
            window_s=self.step_s * self.segments,
            segments=self.segments,
            views=self.views,
            policy="block",
            max_gap_s=MAX_GAP_S,
        )


def plan_windows(clip: Path, *, frames: int, segments: int, views: str) -> WindowPlan:
    """Return the plan that spreads `frames` sampled frames over `clip`.

    Raises InputError for a clip that has fewer, or does not say how long it is.
    """
    with open_video(clip) as video:
        available, duration_s = video.frame_count(), video.duration_s()
    if available < frames:
        cause = f"has {available} frames, windows of {segments} need {frames}"
        raise InputError(clip, cause, "choose a longer clip, or fewer segments")
    if duration_s is None:
        raise InputError(clip, "does not say how long it is", "put it into a container such as MP4")
    return WindowPlan(step_s=duration_s / frames, segments=segments, views=views)


def recomputed_windows(
    classifier: SwitchedClassifier, frames: Sequence[Frame], *, predictions: int
) -> list[Logits]:
    """Return the scores (C,) float32 of the last `predictions` windows of `frames`, each computed from scratch.

    The plain way; a window costs all of its frames, so the time is proportional to `predictions`.
    Raises ValueError for too few frames.
    """
    segments = classifier.segments
    if len(frames) < segments + predictions - 1:
        raise ValueError(f"{len(frames)} frames, {predictions} windows of {segments} need more")
    ends = range(len(frames) - predictions + 1, len(frames) + 1)
    return [softmax(classifier.plain_mean(frames[end - segments : end])) for end in ends]


def streamed_windows(clip: Path, engine: Engine, plan: WindowPlan) -> list[Logits]:
    """Return the scores (C,) float32 after each sampled frame of `clip`, by the toolkit's own stream pipeline.

    All of it is run, from the start of the process that decodes to its end.  Raises InputError where the clip
    cannot be read.
    """
    kept = _KeptScores()
    with StreamPipeline(engine, plan.settings, DecisionRules()) as pipeline:
        pipeline.add_sink(kept)
        pipeline.add(parse_source(str(clip)))
        pipeline.start()
        pipeline.wait()
        if pipeline.exit_code:
            raise InputError(clip, "; ".join(health.detail for health in pipeline.health()))
    return kept.scores


class _KeptScores(Sink):
    """Keeps the scores of each prediction."""

    name = "scores"

    def __init__(self) -> None:
        self.scores: list[Logits] = []

    def write(self, message: Message) -> None:
        """Keep the scores of a prediction; other messages are passed over."""
        if isinstance(message, StreamPrediction):
            self.scores.append(message.scores)

    def close(self) -> None:
        """Do nothing."""
