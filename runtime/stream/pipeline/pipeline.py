"""All streams, one engine, all sinks: the runtime's front door for live classification."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import require_engine
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.stream.actions.analysis import InferredFrame
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.health.snapshots import Picture, SinkHealth, StreamHealth
from pptsn.runtime.stream.pipeline.inference import Done, EngineLoop
from pptsn.runtime.stream.pipeline.queues import FrameQueues, Outcome, QueueItem
from pptsn.runtime.stream.pipeline.roster import StreamRoster
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.recording.overlay import VideoFile
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.worker import SinkWorker
from pptsn.runtime.stream.sources.base import SourceUri

# From being asked to stop: until the streams have, until what waits is inferred, until the sinks are closed.
_STREAMS_BY_S, _ENGINE_BY_S, _SINKS_BY_S = 1.9, 2.5, 2.9
# Where nobody is in a hurry, sinks get this long to write what waits.
_CLOSE_SINKS_S = 5.0
# Pictures for people are made until nobody has asked for one for so long.
_PICTURES_S = 5.0


class StreamPipeline(Closing):
    """Classifies any number of streams with one engine, until they have ended or `stop` is called.

        with StreamPipeline(engine, StreamSettings()) as pipeline:
            pipeline.add_sink(JsonlSink(LineFile(Path("out.jsonl")), top=5))
            pipeline.add(parse_source("rtsp://camera/1"))
            pipeline.start()
            pipeline.wait()

    Its methods may be called by any thread.  It implements PipelineView.

    settings, rules: of all streams; what settings leave open, the model says.  record: gives the file of the next
        annotated video of a stream, by its name and whether it is live; None: no videos.
    report: takes lines about sinks in trouble, from any thread.
    keep_open: go on when all streams have ended, since more will be added.
    Raises DeviceError where a GPU that prepares itself fails, TypeError for what is no Engine, such as a path,
    UsageError where settings do not fit what the model says.
    """

    def __init__(
        self,
        engine: Engine,
        settings: StreamSettings,
        rules: DecisionRules | None = None,
        *,
        record: Callable[[str, bool], VideoFile] | None = None,
        report: Callable[[str], None] = lambda line: None,
        keep_open: bool = False,
    ) -> None:
        require_engine(engine, taker="StreamPipeline")
        settings = settings.for_model(engine.spec)
        views = settings.protocol.views
        # Before any stream is opened, whose pictures would have to wait for what the engine prepares.
        engine.expect(view_count(views, mirror_in_graph=engine.spec.mirror))
        self._report, self._keep_open = report, keep_open
        self._workers: list[SinkWorker] = []
        queues: FrameQueues[QueueItem] = FrameQueues(depth=settings.queue_frames, most_bytes=settings.queue_bytes)
        self._roster = StreamRoster(
            engine.spec, settings, rules or DecisionRules(), queues, record=record, emit=self._emit
        )
        self._pictures_asked_s: float | None = None  # None while nobody looks
        self._pictures_lock = threading.Lock()
        self._done = threading.Event()
        self._closed = False
        self._error: BaseException | None = None
        self._inferred_s = 0.0
        self._loop = EngineLoop(
            engine,
            queues,
            views=views,
            max_wait_s=settings.max_wait_s,
            on_done=self._take,
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
        return self._roster.add(uri).name

    def remove(self, name: str) -> None:
        """End the stream called `name`; its last messages still come.  Raises KeyError where there is none."""
        self._roster.remove(name)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams have ended; return whether they have.  Raises what the engine raised."""
        done = self._done.wait(timeout_s)
        if self._error is not None:
            raise self._error
        return done

    def stop(self) -> None:
        """Ask all streams to end: what waits is inferred, as far as `close` has time.  Returns at once."""
        self._roster.close()

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
        self._roster.join(began_s + _ENGINE_BY_S)
        self._close_sinks(sinks_by_s)

    def _end_loop(self, began_s: float) -> None:
        """Wait for the engine's thread, and do without it where it does not come."""
        if self._loop.ident is None:  # never started
            self._at_end(None)
        elif not self._done.wait(_STREAMS_BY_S):
            self._loop.give_up.set()
            if not self._done.wait(_ENGINE_BY_S - _STREAMS_BY_S):
                if self._inferred_s > began_s:  # it is slow, and was cut short
                    self._roster.end_all()
                else:
                    self._roster.end_all(Outcome("failed", "the engine hangs", 1))

    @property
    def exit_code(self) -> int:
        """0 while all streams ended well, or the code of the first that failed."""
        return self._roster.exit_code

    # PipelineView

    def health(self, *, whole_run: bool = False) -> tuple[StreamHealth, ...]:
        """Return how each stream is doing, in the order in which they were added.

        whole_run: with the latencies of the whole run, rather than of the last minute, and with one more, the sums
        of those that ended so long ago that they are not remembered.
        """
        remembered = tuple(stream.stats.health(whole_run=whole_run) for stream in self._roster.streams())
        return remembered + self._roster.forgotten.health() if whole_run else remembered

    def sinks(self) -> tuple[SinkHealth, ...]:
        """Return how each sink is doing."""
        return tuple(worker.health() for worker in self._workers)

    def picture(self, stream: str) -> Picture | None:
        """Return the newest picture of the stream called `stream`; they are made only while they are asked for."""
        with self._pictures_lock:
            begins = self._pictures_asked_s is None
            self._pictures_asked_s = time.monotonic()
            if begins:
                self._roster.want_pictures(True)
        found = self._roster.find(stream)
        return found.stats.picture() if found is not None else None

    # What the engine's thread calls

    def _is_over(self) -> bool:
        return self._roster.is_over and (self._roster.closed or not self._keep_open)

    def _take(self, number: int, done: Done) -> None:
        self._inferred_s = time.monotonic()
        stream = self._roster.get(number)
        if stream is None:
            return
        if isinstance(done, InferredFrame):
            self._emit(*stream.take(done))
            return
        self._emit(*stream.break_off())
        if done.outcome is None:
            stream.stats.count("resets")
        else:
            self._roster.end(stream, done.outcome)

    def _forget_pictures(self) -> None:
        """Let no more pictures be made where nobody has asked for one for long."""
        with self._pictures_lock:
            asked_s = self._pictures_asked_s
            if asked_s is not None and time.monotonic() - asked_s > _PICTURES_S:
                self._pictures_asked_s = None
                self._roster.want_pictures(False)

    def _at_end(self, error: BaseException | None) -> None:
        self._error = error
        try:
            if error is not None:
                self._roster.end_all(Outcome("failed", f"the engine failed ({error})", 1))
            else:
                self._roster.end_all()
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
