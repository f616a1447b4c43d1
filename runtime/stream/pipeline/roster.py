"""The streams of a pipeline, from their adding to their end."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Collection

from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.capture.protocol import CaptureJob
from pptsn.runtime.stream.health.forgotten import Forgotten
from pptsn.runtime.stream.pipeline.queues import FrameQueues, Outcome, QueueItem, WaitingFrame
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.stream import Phase, Stream
from pptsn.runtime.stream.pipeline.supervisor import StreamSupervisor
from pptsn.runtime.stream.recording.overlay import VideoFile
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import kind_of

# Streams that have ended are remembered up to this number.
_KEPT_ENDED = 500

_STOPPED = Outcome("ended", "stopped")

_UNSAFE = re.compile(r"[^\w.-]+")
_MAX_NAME_LENGTH = 48


class StreamRoster:
    """All streams: those that wait for their turn, those that run, those that are over.  For any thread.

    spec: of the model.  settings, rules, record: as StreamPipeline has them.  queues: get a queue for each stream
    that runs.  emit: takes messages.
    """

    def __init__(
        self,
        spec: ModelSpec,
        settings: StreamSettings,
        rules: DecisionRules,
        queues: FrameQueues[QueueItem],
        *,
        record: Callable[[str, bool], VideoFile] | None,
        emit: Callable[[Message], None],
    ) -> None:
        self._spec, self._settings, self._rules, self._queues = spec, settings, rules, queues
        self._record, self._emit = record, emit
        self._lock = threading.RLock()  # over all below
        self._streams: dict[int, Stream] = {}
        self._numbers = itertools.count()
        self._turns: deque[Stream] = deque()  # those that wait, in the order of their turns
        self._over: deque[Stream] = deque()  # those that have ended, the oldest first
        self._supervisors: list[StreamSupervisor] = []
        self.forgotten = Forgotten()  # of those that ended before them
        self._wants_pictures = False
        self._closed = False
        self._exit_code = 0

    @property
    def exit_code(self) -> int:
        """0 while all streams ended well, or the code of the first that failed."""
        return self._exit_code

    @property
    def closed(self) -> bool:
        """Whether no more streams are taken."""
        return self._closed

    @property
    def is_over(self) -> bool:
        """Whether all streams have ended; where there were none yet, whether none will come."""
        with self._lock:  # asked before each frame, with thousands of files waiting perhaps: by number alone
            begun = bool(self._streams) or self._closed
            return begun and len(self._over) == len(self._streams)

    def streams(self) -> list[Stream]:
        """Return the streams that are remembered, in the order in which they were added."""
        with self._lock:
            return list(self._streams.values())

    def get(self, number: int) -> Stream | None:
        """Return the stream of that number, unless it is over."""
        with self._lock:
            stream = self._streams.get(number)
            return None if stream is None or stream.phase is Phase.OVER else stream

    def find(self, name: str) -> Stream | None:
        """Return the stream called `name`."""
        with self._lock:
            return next((stream for stream in self._streams.values() if stream.name == name), None)

    def add(self, uri: SourceUri) -> Stream:
        """Add a stream, and start it if its turn has come.  Raises ValueError after `close`."""
        with self._lock:
            if self._closed:
                raise ValueError("the pipeline is over: no stream can be added")
            name = stream_name(uri, {stream.name for stream in self._streams.values()})
            number, annotated = next(self._numbers), self._record is not None
            stream = Stream(number, name, uri, self._spec, self._settings, self._rules, annotated=annotated)
            self._streams[number] = stream
            self._turns.append(stream)
            self._start_next()
            return stream

    def remove(self, name: str) -> None:
        """End the stream called `name`; one that is over is forgotten.  Raises KeyError where there is none."""
        with self._lock:
            stream = self.find(name)
            if stream is None:
                raise KeyError(name)
            if stream.phase is Phase.OVER:
                self._over.remove(stream)
                self._forget(stream)
            elif stream.supervisor is not None:
                stream.supervisor.stop("removed")
            else:
                self._turns.remove(stream)
                self.end(stream, Outcome("ended", "removed"))

    def end(self, stream: Stream, outcome: Outcome) -> None:
        """Note that `stream` is over for good, and give its turn to the next."""
        with self._lock:
            if stream.phase is Phase.OVER:
                return
            if stream.supervisor is not None:  # one that is told to stop already heeds the first word
                stream.supervisor.stop()
            messages = stream.finish(outcome)
            self._exit_code = self._exit_code or outcome.exit_code
            self._over.append(stream)
            if len(self._over) > _KEPT_ENDED:
                self._forget(self._over.popleft())
        for item in self._queues.close(stream.number):
            if isinstance(item, WaitingFrame):
                item.release()
        for message in messages:
            self._emit(message)
        self._start_next()

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.number]
        self.forgotten.add(stream.stats.health())

    def close(self) -> None:
        """Take no more streams; end those that wait, and ask those that run to finish.  Returns at once."""
        with self._lock:
            self._closed = True
            while self._turns:
                self.end(self._turns.popleft(), _STOPPED)
            for supervisor in self._running():
                supervisor.stop()

    def end_all(self, outcome: Outcome = _STOPPED) -> None:
        """End what has not ended, since nobody will see to its frames any more."""
        with self._lock:
            self._closed = True
            self._turns.clear()
            for supervisor in self._running():
                supervisor.stop()
            for stream in self.streams():
                self.end(stream, outcome)

    def join(self, by_s: float) -> None:
        """Wait for the threads of all streams, until `by_s` (`time.monotonic`)."""
        for supervisor in self._supervisors:
            supervisor.join(max(0.0, by_s - time.monotonic()))

    def want_pictures(self, wanted: bool) -> None:
        """Say whether somebody looks at the live pictures."""
        with self._lock:
            self._wants_pictures = wanted
            for supervisor in self._running():
                supervisor.want_pictures(wanted)

    def _running(self) -> list[StreamSupervisor]:
        return [stream.supervisor for stream in self._streams.values() if stream.supervisor is not None]

    def _start_next(self) -> None:
        """Start the streams whose turn has come: all that are live, and so many of the others."""
        with self._lock:
            if self._closed:
                return
            self._supervisors = [supervisor for supervisor in self._supervisors if supervisor.is_alive()]
            files = [s for s in self._streams.values() if s.phase is Phase.RUNNING and not s.uri.is_live_kind]
            room = self._settings.at_once - len(files)
            for stream in list(self._turns):
                if stream.uri.is_live_kind or room > 0:
                    room -= not stream.uri.is_live_kind
                    self._turns.remove(stream)
                    self._start(stream)

    def _start(self, stream: Stream) -> None:
        self._queues.open(stream.number, policy=self._settings.policy or "newest")
        supervisor = StreamSupervisor(
            stream.number,
            stream.name,
            stream.uri,
            self._settings,
            job=lambda session: self._job(stream, session),
            stats=stream.stats,
            queues=self._queues,
            emit=self._emit,
        )
        stream.phase, stream.supervisor = Phase.RUNNING, supervisor
        supervisor.want_pictures(self._wants_pictures)
        try:
            supervisor.start()
        except RuntimeError as error:  # the system has no thread left
            self.end(stream, Outcome("failed", f"cannot be started ({error})", 1))
        else:
            self._supervisors.append(supervisor)

    def _job(self, stream: Stream, session: int) -> CaptureJob:
        settings, spec, uri = self._settings, self._spec, stream.uri
        return CaptureJob(
            uri=uri,
            stream=stream.name,
            session=session,
            step_s=settings.step_s,
            max_gap_s=settings.max_gap_s,
            short_side=spec.short_side,
            resize_rule=spec.resize_rule,
            timeout_s=uri.options.timeout_s or settings.timeout_s,
            realtime=settings.realtime,
            waits=None if settings.policy is None else settings.policy == "block",
            frozen_after_s=settings.frozen_after_s,
            video=self._record(stream.name, uri.is_live_kind) if self._record else None,
        )


def stream_name(uri: SourceUri, taken: Collection[str]) -> str:
    """Return a name for the stream of `uri` that is none of `taken`: the one it was given, or one from its source.

    It is safe in file names, addresses and topics; a name that was given is made so.
    """
    name = _safe(uri.options.name or kind_of(uri).stream_name(uri)) or uri.kind
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.")[:_MAX_NAME_LENGTH]
