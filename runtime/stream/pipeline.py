"""All streams, one engine, all sinks: the runtime's front door for live classification."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runtime.closing import Closing
from runtime.engines import Engine
from runtime.stream.analysis import InferredFrame, StreamAnalysis
from runtime.stream.capture.overlay import Overlay
from runtime.stream.capture.protocol import Answered, CaptureJob
from runtime.stream.decisions import DecisionRules
from runtime.stream.health import Picture, SinkHealth, StreamHealth
from runtime.stream.inference import FrameInference, Inferred, Marked
from runtime.stream.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from runtime.stream.names import stream_name
from runtime.stream.queues import FrameQueues
from runtime.stream.settings import StreamSettings
from runtime.stream.sinks.base import Sink
from runtime.stream.sinks.worker import SinkWorker
from runtime.stream.stats import StreamStats
from runtime.stream.supervisor import QueueItem, SessionOver, StreamSupervisor, WaitingFrame
from runtime.stream.uri import SourceUri

_IDLE_S = 0.1
# From being asked to stop: until the streams have, until what waits is inferred, until the sinks are closed.
_STREAMS_BY_S, _ENGINE_BY_S, _SINKS_BY_S = 2.1, 2.3, 2.9
# Where nobody is in a hurry, sinks get this long to write what waits.
_CLOSE_SINKS_S = 5.0
# Pictures for people are made until nobody has asked for one for so long.
_PICTURES_S = 5.0
# How many leading classes an annotated video shows.
_OVERLAY_LINES = 3


@dataclass
class _Stream:
    """One stream of the pipeline.  `supervisor` is None until its turn comes, and after its end."""

    number: int
    name: str
    uri: SourceUri
    stats: StreamStats
    analysis: StreamAnalysis
    supervisor: StreamSupervisor | None = None
    over: bool = False


class StreamPipeline(Closing):
    """Classifies any number of streams with one engine, until they have ended or `stop` is called.

        with StreamPipeline(engine, StreamSettings()) as pipeline:
            pipeline.add_sink(JsonLines("out.jsonl"))
            pipeline.start()
            pipeline.add(parse_source("rtsp://camera/1"))
            pipeline.wait()

    Each source is captured in processes of its own, which are started in the way of multiprocessing: a script that
    uses this class does so below `if __name__ == "__main__":`.

    settings, rules: of all streams.  record: gives the path of the next annotated video of a stream, by its name
    and whether it is live; None: no videos.  report: takes lines about sinks in trouble, from any thread.
    keep_open: go on when all streams have ended, since more will be added.
    """

    def __init__(
        self,
        engine: Engine,
        settings: StreamSettings,
        rules: DecisionRules | None = None,
        *,
        record: Callable[[str, bool], str] | None = None,
        report: Callable[[str], None] = lambda line: None,
        keep_open: bool = False,
    ) -> None:
        self._engine, self._settings = engine, settings
        self._rules = rules or DecisionRules()
        self._record, self._report, self._keep_open = record, report, keep_open
        self._queues: FrameQueues[QueueItem] = FrameQueues(depth=settings.queue_frames)
        self._lock = threading.RLock()
        self._streams: dict[int, _Stream] = {}
        self._waiting: deque[_Stream] = deque()
        self._numbers = itertools.count()
        self._workers: list[SinkWorker] = []
        self._wants_pictures = False
        self._pictures_asked_s = 0.0
        self._started = False
        self._stopping = threading.Event()
        self._give_up = threading.Event()
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._exit_code = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # What a user does

    def add_sink(self, sink: Sink) -> None:
        """Send messages to `sink` as well; before `start`.  Raises what `Sink.open` raises."""
        worker = SinkWorker(sink, report=self._report)
        worker.start()
        self._workers.append(worker)

    def start(self) -> None:
        """Begin to work."""
        self._started = True
        self._thread.start()

    def add(self, uri: SourceUri) -> str:
        """Add a stream, before or after `start`; return its name, which is its own for good."""
        with self._lock:
            name = stream_name(uri, {stream.name for stream in self._streams.values()})
            stats = StreamStats(name, uri.display, live=uri.is_live_kind)
            labels = self._engine.spec.labels
            analysis = StreamAnalysis(name, uri.display, labels, self._settings, self._rules)
            stream = _Stream(next(self._numbers), name, uri, stats, analysis)
            self._streams[stream.number] = stream
            self._waiting.append(stream)
        self._start_waiting()
        return name

    def remove(self, name: str) -> None:
        """End the stream called `name`; its last messages still come.  Raises KeyError where there is none."""
        with self._lock:
            stream = next(s for s in self._streams.values() if s.name == name) if self._has(name) else None
            if stream is None:
                raise KeyError(name)
            if stream in self._waiting:
                self._waiting.remove(stream)
                self._end(stream, StreamNotice(name, stream.uri.display, time.time(), "ended", "removed"), 0)
            elif stream.supervisor is not None:
                stream.supervisor.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams have ended; return whether they have.  Raises what the engine raised."""
        done = self._done.wait(timeout_s)
        if self._error is not None:
            raise self._error
        return done

    def stop(self) -> None:
        """Ask all streams to end, in order: what they have shown is inferred and written.  Returns at once."""
        self._stopping.set()
        with self._lock:
            for stream in list(self._waiting):
                self._end(
                    stream, StreamNotice(stream.name, stream.uri.display, time.time(), "ended", "stopped"), 0
                )
            self._waiting.clear()
            for stream in self._streams.values():
                if stream.supervisor is not None:
                    stream.supervisor.stop()

    def close(self) -> None:
        """End everything within three seconds, whatever hangs.  A second call does nothing."""
        began_s = time.monotonic()
        by_s = began_s + _CLOSE_SINKS_S
        if not self._done.is_set():
            by_s = began_s + _SINKS_BY_S
            self.stop()
            if self._started:
                self._done.wait(_STREAMS_BY_S)
                self._give_up.set()
                self._done.wait(_ENGINE_BY_S - _STREAMS_BY_S)
        self._close_sinks(by_s)

    def _close_sinks(self, by_s: float) -> None:
        """Let all sinks finish at the same time, until `by_s` (`time.monotonic`)."""
        for worker in self._workers:
            worker.finish(timeout_s=by_s - time.monotonic())
        for worker in self._workers:
            if not worker.close(timeout_s=max(0.0, by_s - time.monotonic())):
                self._report(f"{worker.health().name}: was left behind, with messages not written")

    @property
    def exit_code(self) -> int:
        """0 while all streams ended well, or the code of the first that failed."""
        return self._exit_code

    # PipelineView

    def health(self, *, whole_run: bool = False) -> tuple[StreamHealth, ...]:
        """Return how each stream is doing, in the order in which they were added."""
        with self._lock:
            streams = list(self._streams.values())
        return tuple(stream.stats.health(whole_run=whole_run) for stream in streams)

    def sinks(self) -> tuple[SinkHealth, ...]:
        """Return how each sink is doing."""
        return tuple(worker.health() for worker in self._workers)

    def picture(self, stream: str) -> Picture | None:
        """Return the newest picture of the stream called `stream`; pictures are made only while they are asked for."""
        self._pictures_asked_s = time.monotonic()
        if not self._wants_pictures:
            self._want_pictures(True)
        with self._lock:
            found = [s for s in self._streams.values() if s.name == stream]
        return found[0].stats.picture() if found else None

    def _want_pictures(self, wanted: bool) -> None:
        with self._lock:
            self._wants_pictures = wanted
            for stream in self._streams.values():
                if stream.supervisor is not None:
                    stream.supervisor.want_pictures(wanted)

    # Streams

    def _has(self, name: str) -> bool:
        return any(stream.name == name for stream in self._streams.values())

    def _start_waiting(self) -> None:
        """Start the streams whose turn has come: all that are live, and so many of the others."""
        with self._lock:
            if self._stopping.is_set():
                return
            running = [s for s in self._streams.values() if s.supervisor is not None and not s.uri.is_live_kind]
            room = self._settings.at_once - len(running)
            for stream in list(self._waiting):
                if stream.uri.is_live_kind or room > 0:
                    room -= not stream.uri.is_live_kind
                    self._waiting.remove(stream)
                    self._start_stream(stream)

    def _start_stream(self, stream: _Stream) -> None:
        settings = self._settings
        policy = settings.policy or ("newest" if self._is_live(stream.uri) else "block")
        self._queues.open(stream.number, policy=policy)
        stream.supervisor = StreamSupervisor(
            stream.number,
            stream.uri,
            lambda: self._job(stream, policy),
            stream.stats,
            self._queues,
            self._emit,
            name=stream.name,
            slots=settings.queue_frames + 2,  # one that is being filled, one that is being cut into crops
            max_retries=settings.max_retries,
            max_backoff_s=settings.max_backoff_s,
        )
        stream.supervisor.want_pictures(self._wants_pictures)
        stream.supervisor.start()

    def _is_live(self, uri: SourceUri) -> bool:
        """Whether frames come at their own pace, so that a slow engine has to leave some out."""
        return uri.is_live_kind or self._settings.realtime

    def _job(self, stream: _Stream, policy: str) -> CaptureJob:
        settings, spec = self._settings, self._engine.spec
        return CaptureJob(
            uri=stream.uri,
            step_s=settings.step_s,
            max_gap_s=settings.max_gap_s,
            short_side=spec.short_side,
            resize_rule=spec.resize_rule,
            timeout_s=stream.uri.options.timeout_s or settings.timeout_s,
            realtime=settings.realtime,
            waits=policy == "block",
            frozen_after_s=settings.frozen_after_s if self._is_live(stream.uri) else 0.0,
            record_path=self._record(stream.name, stream.uri.is_live_kind) if self._record else None,
        )

    def _end(self, stream: _Stream, notice: StreamNotice, exit_code: int) -> None:
        """Note that `stream` is over for good."""
        with self._lock:
            stream.over = True
            supervisor, stream.supervisor = stream.supervisor, None
            self._exit_code = self._exit_code or exit_code
        for item in self._queues.close(stream.number):
            if isinstance(item, WaitingFrame):
                item.release()
        stream.stats.finish()
        stream.stats.set_state(notice.state, notice.detail)
        self._emit(notice)
        if supervisor is not None and supervisor is not threading.current_thread():
            supervisor.join(_IDLE_S)
        self._start_waiting()

    # The engine's thread

    def _run(self) -> None:
        try:
            with FrameInference(
                self._engine, views=self._settings.views, max_wait_s=self._settings.max_wait_s
            ) as inference:
                while not self._is_over():
                    self._turn(inference)
                inference.flush()
                self._deliver(inference.ready())
        except BaseException as error:  # whatever it is, `wait` shall raise it
            self._error = error
        finally:
            self._done.set()

    def _turn(self, inference: FrameInference) -> None:
        """Take one frame, or run what waits; then deal with what is done."""
        try:
            stream, item = self._queues.take(inference.wait_s(_IDLE_S))
        except TimeoutError:
            inference.flush()
        else:
            inference.add(stream, item)
        self._deliver(inference.ready())
        if self._wants_pictures and time.monotonic() - self._pictures_asked_s > _PICTURES_S:
            self._want_pictures(False)

    def _is_over(self) -> bool:
        if self._give_up.is_set():
            return True
        if self._keep_open and not self._stopping.is_set():
            return False
        with self._lock:
            return bool(self._streams) and all(stream.over for stream in self._streams.values())

    def _deliver(self, done: Iterable[Inferred | Marked]) -> None:
        for item in done:
            stream = self._streams[item.stream]
            if isinstance(item, Inferred):
                self._inferred(stream, item)
            else:
                self._marked(stream, item.mark)

    def _inferred(self, stream: _Stream, item: Inferred) -> None:
        sampled = item.frame.sampled
        finding = stream.analysis.add(
            InferredFrame(
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
        )
        stream.stats.count("inferred")
        stream.stats.count("resets", int(finding.reset))
        if finding.prediction is not None:
            stream.stats.predicted(finding.prediction)
            self._emit(finding.prediction)
        self._happened(stream, finding.events)
        if self._record is not None:
            self._annotate(stream, item.frame, finding.prediction)

    def _marked(self, stream: _Stream, mark: SessionOver) -> None:
        self._happened(stream, stream.analysis.end_stretch())
        if mark.final is not None:
            self._end(stream, mark.final, mark.exit_code)

    def _happened(self, stream: _Stream, events: tuple[ActionEvent, ...]) -> None:
        for event in events:
            stream.stats.count("events", int(event.phase == "started"))
            self._emit(event)
        stream.stats.set_active(stream.analysis.active)

    def _annotate(self, stream: _Stream, frame: WaitingFrame, prediction: StreamPrediction | None) -> None:
        """Tell the recorder what the frames from this one on show."""
        if prediction is not None:
            active, leading = stream.analysis.active, prediction.top(_OVERLAY_LINES)
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

    def _emit(self, message: Message) -> None:
        for worker in self._workers:
            worker.put(message)
