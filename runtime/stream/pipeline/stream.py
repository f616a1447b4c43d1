"""One stream of a pipeline: what its frames lead to."""

from __future__ import annotations

import time
from enum import Enum, auto

from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.stream.actions.analysis import InferredFrame, StreamAnalysis
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.capture.protocol import Answered
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline.queues import Outcome
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.supervisor import StreamSupervisor
from pptsn.runtime.stream.pipeline.windows import analysis_of
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.sources.base import SourceUri

# How many leading classes an annotated video shows.
_OVERLAY_LINES = 3


class Phase(Enum):
    """Where a stream is in its life: it waits for its turn, it runs, it is over for good."""

    WAITING = auto()
    RUNNING = auto()
    OVER = auto()


class Stream:
    """A source in the pipeline, from its adding to its end.

    number: its own for good.  supervisor: its thread, while it runs.  The roster of the pipeline moves it from one
    phase to the next; `take` and `break_off` are for the engine's thread.
    """

    def __init__(
        self,
        number: int,
        name: str,
        uri: SourceUri,
        spec: ModelSpec,
        settings: StreamSettings,
        rules: DecisionRules,
        *,
        annotated: bool,
    ) -> None:
        self.number, self.name, self.uri = number, name, uri
        self.phase = Phase.WAITING
        self.stats = StreamStats(name, uri.display, live=uri.is_live_kind)
        self.supervisor: StreamSupervisor | None = None
        self._analysis: StreamAnalysis | None = analysis_of(uri.display, spec, settings, rules)
        self._annotated = annotated
        self._with_threshold = sorted(rules.thresholds)

    def take(self, frame: InferredFrame) -> list[Message]:
        """Take an inferred frame; return what it leads to."""
        analysis = self._analysis
        if analysis is None:
            return []
        finding = analysis.add(frame)
        self.stats.count("inferred")
        self.stats.count("resets", int(finding.reset))
        messages: list[Message] = []
        if finding.prediction is not None:
            self.stats.predicted(finding.prediction)
            if self._with_threshold:
                self.stats.scored(float(finding.prediction.scores[self._with_threshold].max()))
            messages.append(finding.prediction)
        messages += self._note(finding.events)
        if self._annotated:
            self._annotate(frame.stamp, finding.prediction)
        return messages

    def break_off(self) -> list[Message]:
        """Note the end of a session; return the events that end with it."""
        analysis = self._analysis
        return self._note(analysis.end_stretch()) if analysis is not None else []

    def finish(self, outcome: Outcome) -> list[Message]:
        """Note the end for good; return what it leads to."""
        messages = self.break_off()
        self.phase, self.supervisor, self._analysis = Phase.OVER, None, None
        self.stats.finish()
        self.stats.set_state(outcome.state, outcome.detail)
        return [*messages, StreamNotice(self.name, self.uri.display, time.time(), outcome.state, outcome.detail)]

    def _note(self, events: tuple[ActionEvent, ...]) -> list[Message]:
        """Count events that started or ended; return them."""
        for event in events:
            self.stats.count("events", int(event.phase == "started"))
        analysis = self._analysis
        if analysis is not None:
            self.stats.set_active(analysis.active)
        return list(events)

    def _annotate(self, stamp: FrameStamp, prediction: StreamPrediction | None) -> None:
        """Tell the recording what the frames from this one on show."""
        analysis, supervisor = self._analysis, self.supervisor
        if analysis is None or supervisor is None:
            return
        if prediction is not None:
            active, leading = analysis.active, prediction.top(_OVERLAY_LINES)
            overlay = Overlay(
                time_s=prediction.time_s,
                lines=tuple((p.label, p.score) for p in leading),
                class_ids=tuple(p.class_id for p in leading),
                event=active[0].label if active else "",
                warming_up=prediction.warming_up,
            )
            supervisor.reply(stamp.session, overlay)
        supervisor.reply(stamp.session, Answered(stamp.time_s))
