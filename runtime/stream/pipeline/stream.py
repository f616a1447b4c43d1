"""One stream of a pipeline: what its frames lead to."""

from __future__ import annotations

import time

from pptsn.runtime.stream.actions.decisions import DecisionRules
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.capture.protocol import Answered
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline.analysis import InferredFrame, StreamAnalysis
from pptsn.runtime.stream.pipeline.inference import Inferred
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.supervisor import StreamSupervisor, WaitingFrame
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.sources.uri import SourceUri

# How many leading classes an annotated video shows.
_OVERLAY_LINES = 3


class Stream:
    """A source in the pipeline, from its adding to its end.

    number: its own for good.  supervisor: None until its turn comes, and after its end.
    over: whether it has ended.
    `take` and `break_off` are for the engine's thread.
    """

    def __init__(
        self,
        number: int,
        name: str,
        uri: SourceUri,
        labels: tuple[str, ...],
        settings: StreamSettings,
        rules: DecisionRules,
        *,
        annotated: bool,
    ) -> None:
        self.number, self.name, self.uri = number, name, uri
        self.stats = StreamStats(name, uri.display, live=uri.is_live_kind)
        self.supervisor: StreamSupervisor | None = None
        self.over = False
        self._analysis: StreamAnalysis | None = StreamAnalysis(name, uri.display, labels, settings, rules)
        self._annotated = annotated

    def take(self, item: Inferred) -> list[Message]:
        """Take an inferred frame; return what it leads to."""
        analysis = self._analysis
        if analysis is None:
            return []
        finding = analysis.add(_inferred_frame(item))
        self.stats.count("inferred")
        self.stats.count("resets", int(finding.reset))
        messages: list[Message] = []
        if finding.prediction is not None:
            self.stats.predicted(finding.prediction)
            messages.append(finding.prediction)
        messages += self._happened(finding.events)
        if self._annotated:
            self._annotate(item.frame, finding.prediction)
        return messages

    def break_off(self) -> list[Message]:
        """Note the end of a session; return the events that end with it."""
        analysis = self._analysis
        return self._happened(analysis.end_stretch()) if analysis is not None else []

    def finish(self, state: str, detail: str) -> list[Message]:
        """Note the end for good; return what it leads to."""
        messages = self.break_off()
        self.over = True
        self._analysis = None
        self.stats.finish()
        self.stats.set_state(state, detail)
        return [*messages, StreamNotice(self.name, self.uri.display, time.time(), state, detail)]

    def _happened(self, events: tuple[ActionEvent, ...]) -> list[Message]:
        for event in events:
            self.stats.count("events", int(event.phase == "started"))
        analysis = self._analysis
        if analysis is not None:
            self.stats.set_active(analysis.active)
        return list(events)

    def _annotate(self, frame: WaitingFrame, prediction: StreamPrediction | None) -> None:
        """Tell the recording what the frames from this one on show."""
        analysis = self._analysis
        if prediction is not None and analysis is not None:
            active, leading = analysis.active, prediction.top(_OVERLAY_LINES)
            frame.capture.send(
                Overlay(
                    time_s=prediction.time_s,
                    lines=tuple((p.label, p.score) for p in leading),
                    class_ids=tuple(p.class_id for p in leading),
                    event=active[0].label if active else "",
                    warming_up=prediction.warming_up,
                )
            )
        frame.capture.send(Answered(frame.sampled.time_s))


def _inferred_frame(item: Inferred) -> InferredFrame:
    sampled = item.frame.sampled
    return InferredFrame(
        logits=item.logits,
        session=item.frame.session,
        epoch=sampled.epoch,
        place=sampled.place,
        time_s=sampled.time_s,
        wall_time=sampled.wall_time,
        captured_s=sampled.captured_s,
        decoded_s=sampled.decoded_s,
        queued_s=item.queued_s,
        inferred_s=item.inferred_s,
    )
