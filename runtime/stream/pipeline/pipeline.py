"""All streams, one engine, all sinks: the runtime's front door for live classification."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.engines import Engine
from pptsn.runtime.stream.actions.decisions import DecisionRules
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.capture.protocol import CaptureJob
from pptsn.runtime.stream.health.snapshots import Picture, SinkHealth, StreamHealth
from pptsn.runtime.stream.pipeline.engine_loop import EngineLoop
from pptsn.runtime.stream.pipeline.inference import Inferred, Marked
from pptsn.runtime.stream.pipeline.names import stream_name
from pptsn.runtime.stream.pipeline.queues import FrameQueues
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.stream import Stream
from pptsn.runtime.stream.pipeline.supervisor import QueueItem, StreamSupervisor, WaitingFrame
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.worker import SinkWorker
from pptsn.runtime.stream.sources.uri import SourceUri

# From being asked to stop: until the streams have, until what waits is inferred, until the sinks are closed.
_STREAMS_BY_S, _ENGINE_BY_S, _SINKS_BY_S = 1.9, 2.5, 2.9
# Where nobody is in a hurry, sinks get this long to write what waits.
_CLOSE_SINKS_S = 5.0
# Pictures for people are made until nobody has asked for one for so long.
_PICTURES_S = 5.0
# Streams that have ended are remembered up to this number.
_KEPT_ENDED = 500


class StreamPipeline(Closing):
    """Classifies any number of streams with one engine, until they have ended or `stop` is called.

        with StreamPipeline(engine, StreamSettings()) as pipeline:
            pipeline.add_sink(JsonlSink(LineFile(Path("out.jsonl")), top=5))
            pipeline.add(parse_source("rtsp://camera/1"))
            pipeline.start()
            pipeline.wait()

    Its methods may be called by any thread.  It implements PipelineView.

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
        self._labels, self._spec = engine.spec.labels, engine.spec
        self._settings, self._rules = settings, rules or DecisionRules()
        self._record, self._report, self._keep_open = record, report, keep_open
        self._queues: FrameQueues[QueueItem] = FrameQueues(depth=settings.queue_frames)
        self._lock = threading.RLock()  # over the streams
        self._streams: dict[int, Stream] = {}
        self._waiting: deque[Stream] = deque()
        self._ended: deque[Stream] = deque()
        self._supervisors: list[StreamSupervisor] = []
        self._numbers = itertools.count()
        self._workers: list[SinkWorker] = []
        self._wants_pictures = False
        self._pictures_asked_s = 0.0
        self._dealt_s = 0.0
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._closed = False
        self._error: BaseException | None = None
        self._exit_code = 0
        self._loop = EngineLoop(
            engine,
            self._queues,
            settings,
            deal=self._deal,
            turn=self._forget_pictures,
            is_over=self._is_over,
            at_end=self._at_end,
        )

    # What a user does

    def add_sink(self, sink: Sink) -> None:
        """Send messages to `sink` as well; before `start`.  Raises what `Sink.open` raises."""
        worker = SinkWorker(sink, report=self._report)
        worker.start()
        self._workers.append(worker)

    def start(self) -> None:
        """Begin to work."""
        self._loop.start()

    def add(self, uri: SourceUri) -> str:
        """Add a stream, before or after `start`; return its name.  Raises ValueError when all is over."""
        with self._lock:
            if self._stopping.is_set() or self._done.is_set():
                raise ValueError("the pipeline is over: no stream can be added")
            name = stream_name(uri, {stream.name for stream in self._streams.values()})
            stream = Stream(
                next(self._numbers),
                name,
                uri,
                self._labels,
                self._settings,
                self._rules,
                annotated=self._record is not None,
            )
            self._streams[stream.number] = stream
            self._waiting.append(stream)
            self._start_waiting()
        return name

    def remove(self, name: str) -> None:
        """End the stream called `name`; its last messages still come.  Raises KeyError where there is none."""
        with self._lock:
            stream = self._called(name)
            if stream is None:
                raise KeyError(name)
            if stream.over:
                self._ended.remove(stream)
                del self._streams[stream.number]
            elif stream.supervisor is not None:
                stream.supervisor.stop("removed")
            else:
                self._waiting.remove(stream)
                self._end(stream, "ended", "removed", 0)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams have ended; return whether they have.  Raises what the engine raised."""
        done = self._done.wait(timeout_s)
        if self._error is not None:
            raise self._error
        return done

    def stop(self) -> None:
        """Ask all streams to end: what waits is inferred, as far as `close` has time.  Returns at once."""
        self._stopping.set()
        with self._lock:
            while self._waiting:
                self._end(self._waiting.popleft(), "ended", "stopped", 0)
            for stream in self._streams.values():
                if stream.supervisor is not None:
                    stream.supervisor.stop()

    def close(self) -> None:
        """End everything: within three seconds, whatever hangs, or five where all is done but sinks are slow.

        A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        began_s = time.monotonic()
        sinks_by_s = began_s + (_CLOSE_SINKS_S if self._done.is_set() else _SINKS_BY_S)
        self.stop()
        self._end_loop(began_s)
        for supervisor in self._supervisors:
            supervisor.join(max(0.0, began_s + _ENGINE_BY_S - time.monotonic()))
        self._close_sinks(sinks_by_s)

    def _end_loop(self, began_s: float) -> None:
        """Wait for the engine's thread, and do without it where it does not come."""
        if self._loop.ident is None:  # never started
            self._at_end(None)
        elif not self._done.wait(_STREAMS_BY_S):
            self._loop.give_up.set()
            if not self._done.wait(_ENGINE_BY_S - _STREAMS_BY_S):
                if self._dealt_s > began_s:  # it is slow, and was cut short
                    self._end_all("ended", "stopped", 0)
                else:
                    self._end_all("failed", "the engine hangs", 1)

    @property
    def exit_code(self) -> int:
        """0 while all streams ended well, or the code of the first that failed."""
        return self._exit_code

    # PipelineView

    def health(self, *, whole_run: bool = False) -> tuple[StreamHealth, ...]:
        """Return how each stream is doing, in the order in which they were added.

        whole_run: with the latencies of the whole run, rather than of the last minute.
        """
        with self._lock:
            streams = list(self._streams.values())
        return tuple(stream.stats.health(whole_run=whole_run) for stream in streams)

    def sinks(self) -> tuple[SinkHealth, ...]:
        """Return how each sink is doing."""
        return tuple(worker.health() for worker in self._workers)

    def picture(self, stream: str) -> Picture | None:
        """Return the newest picture of the stream called `stream`; they are made only while they are asked for."""
        with self._lock:
            self._pictures_asked_s = time.monotonic()
            if not self._wants_pictures:
                self._want_pictures(True)
            found = self._called(stream)
        return found.stats.picture() if found is not None else None

    # Streams

    def _called(self, name: str) -> Stream | None:
        return next((stream for stream in self._streams.values() if stream.name == name), None)

    def _start_waiting(self) -> None:
        """Start the streams whose turn has come: all that are live, and so many of the others."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._supervisors = [supervisor for supervisor in self._supervisors if supervisor.is_alive()]
            running = [s for s in self._streams.values() if s.supervisor is not None and not s.uri.is_live_kind]
            room = self._settings.at_once - len(running)
            for stream in list(self._waiting):
                if stream.uri.is_live_kind or room > 0:
                    room -= not stream.uri.is_live_kind
                    self._waiting.remove(stream)
                    self._start_stream(stream)

    def _start_stream(self, stream: Stream) -> None:
        settings = self._settings
        self._queues.open(stream.number, policy=settings.policy or "newest")
        stream.supervisor = StreamSupervisor(
            stream.number,
            stream.uri,
            lambda: self._job(stream),
            stream.stats,
            self._queues,
            self._emit,
            name=stream.name,
            policy=settings.policy,
            slots=settings.queue_frames + 2,  # one that is being filled, one that is being cut into crops
            max_retries=settings.max_retries,
            max_backoff_s=settings.max_backoff_s,
        )
        stream.supervisor.want_pictures(self._wants_pictures)
        try:
            stream.supervisor.start()
        except RuntimeError as error:  # the system has no thread left
            self._end(stream, "failed", f"cannot be started ({error})", 1)
        else:
            self._supervisors.append(stream.supervisor)

    def _job(self, stream: Stream) -> CaptureJob:
        settings, spec = self._settings, self._spec
        return CaptureJob(
            uri=stream.uri,
            step_s=settings.step_s,
            max_gap_s=settings.max_gap_s,
            short_side=spec.short_side,
            resize_rule=spec.resize_rule,
            timeout_s=stream.uri.options.timeout_s or settings.timeout_s,
            realtime=settings.realtime,
            waits=None if settings.policy is None else settings.policy == "block",
            frozen_after_s=settings.frozen_after_s,
            record_path=self._record(stream.name, stream.uri.is_live_kind) if self._record else None,
        )

    def _end(self, stream: Stream, state: str, detail: str, exit_code: int) -> None:
        """Note that `stream` is over for good."""
        with self._lock:
            if stream.over:
                return
            stream.supervisor = None
            messages = stream.finish(state, detail)
            self._exit_code = self._exit_code or exit_code
            self._ended.append(stream)
            if len(self._ended) > _KEPT_ENDED:
                del self._streams[self._ended.popleft().number]
        for item in self._queues.close(stream.number):
            if isinstance(item, WaitingFrame):
                item.release()
        self._emit(*messages)
        self._start_waiting()

    def _end_all(self, state: str, detail: str, exit_code: int) -> None:
        """End what has not ended, since nobody will deal with its frames any more."""
        self._stopping.set()
        with self._lock:
            self._waiting.clear()
            for stream in [stream for stream in self._streams.values() if not stream.over]:
                if stream.supervisor is not None:
                    stream.supervisor.stop()
                self._end(stream, state, detail, exit_code)

    def _want_pictures(self, wanted: bool) -> None:
        with self._lock:
            self._wants_pictures = wanted
            for stream in self._streams.values():
                if stream.supervisor is not None:
                    stream.supervisor.want_pictures(wanted)

    # What the engine's thread calls

    def _is_over(self) -> bool:
        if self._keep_open and not self._stopping.is_set():
            return False
        with self._lock:  # asked before each frame, with thousands of files waiting perhaps: by number alone
            begun = bool(self._streams) or self._stopping.is_set()
            return begun and len(self._ended) == len(self._streams)

    def _deal(self, item: Inferred | Marked) -> None:
        self._dealt_s = time.monotonic()
        with self._lock:
            stream = self._streams.get(item.stream)
        if stream is None or stream.over:
            return
        if isinstance(item, Inferred):
            self._emit(*stream.take(item))
            return
        self._emit(*stream.break_off())
        final = item.mark.final
        if final is None:
            stream.stats.count("resets")
        else:
            self._end(stream, final.state, final.detail, final.exit_code)

    def _forget_pictures(self) -> None:
        if self._wants_pictures and time.monotonic() - self._pictures_asked_s > _PICTURES_S:
            self._want_pictures(False)

    def _at_end(self, error: BaseException | None) -> None:
        self._error = error
        try:
            if error is not None:
                self._end_all("failed", f"the engine failed ({error})", 1)
            else:
                self._end_all("ended", "stopped", 0)
        finally:
            self._done.set()

    # Sinks

    def _emit(self, *messages: Message) -> None:
        for message in messages:
            for worker in self._workers:
                worker.put(message)

    def _close_sinks(self, by_s: float) -> None:
        """Let all sinks finish at the same time, until `by_s` (`time.monotonic`)."""
        for worker in self._workers:
            worker.finish(timeout_s=by_s - time.monotonic())
        for worker in self._workers:
            if not worker.close(timeout_s=max(0.0, by_s - time.monotonic())):
                self._report(f"{worker.health().name}: was left behind, with messages not written")
