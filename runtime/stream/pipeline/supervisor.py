"""Keeping one source running: connecting, watching over its process, ending it when it hangs, trying again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.actions.messages import StreamNotice
from pptsn.runtime.stream.capture.process import CaptureProcess
from pptsn.runtime.stream.capture.protocol import (
    CaptureJob,
    Counts,
    Ended,
    FromCapture,
    LivePicture,
    Opened,
    Progress,
    Remark,
    Sampled,
    WantPictures,
)
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline.backoff import Backoff
from pptsn.runtime.stream.pipeline.queues import FrameQueues
from pptsn.runtime.stream.sources.uri import SourceUri

# A process gets this much longer than its decoder, which knows better what is wrong.
_OPEN_GRACE_S, _READ_GRACE_S = 3.0, 1.0
# How often a supervisor that hears nothing looks at the time.
_POLL_S = 0.1
# From being asked to stop until being ended.
_STOP_S = 1.7
# A connection that lasted so long was a good one: after it the pauses begin with the shortest again.
_GOOD_SESSION_S = 5.0
# Packets that cannot be decoded are reported when they begin, and then at most this often.
_DECODE_REPORT_S = 10.0

_ENDED = "the source ended"

# Once they are open, these may take their time: a pipe whose writer pauses, a disk that sleeps.
_PATIENT_KINDS = frozenset({"stdin", "file", "folder"})

_ENDLESS_KINDS = frozenset({"rtsp", "rtmp", "http", "device"})


@dataclass(frozen=True, eq=False)
class WaitingFrame:
    """A sampled frame that waits for the engine.  pixels: the capture's memory, to be released soon."""

    pixels: Frame
    sampled: Sampled
    session: int
    capture: CaptureProcess

    def release(self) -> None:
        """Give the memory back; `pixels` is not to be used any more."""
        self.capture.free(self.sampled)


@dataclass(frozen=True)
class Final:
    """How a stream ends: "ended" or "failed", why, and the exit code that this means."""

    state: str
    detail: str
    exit_code: int = 0


@dataclass(frozen=True)
class SessionOver:
    """All frames of a session have been queued; final: None where another session follows."""

    final: Final | None = None


QueueItem = WaitingFrame | SessionOver


@dataclass
class _Session:
    """What has happened in one connection."""

    number: int
    began_s: float
    deadline_s: float
    live: bool | None = None  # as the open source says
    frames: int = 0
    frozen: bool = False
    epoch: int = 0
    size: tuple[int, int] = (0, 0)
    errors_told: int = 0
    errors_told_s: float = float("-inf")
    over: bool = False
    ended: Ended = field(default_factory=lambda: Ended(Counts(0, 0, 0)))

    def fail(self, cause: str) -> None:
        """Note that it broke off, for what the process could not tell itself."""
        self.ended, self.over = Ended(Counts(0, 0, 0), cause), True

    @property
    def lived_s(self) -> float:
        """How long it lasted, if frames came at all."""
        return time.monotonic() - self.began_s if self.frames else 0.0


class StreamSupervisor(threading.Thread):
    """The thread of one stream: runs one capture process after another until the source is done with.

    job: makes the job of the next session.  tell: takes notices, from this thread.
    policy, max_retries, max_backoff_s: see StreamSettings.  slots: frames that may wait in shared memory.
    """

    def __init__(
        self,
        number: int,
        uri: SourceUri,
        job: Callable[[], CaptureJob],
        stats: StreamStats,
        queues: FrameQueues[QueueItem],
        tell: Callable[[StreamNotice], None],
        *,
        name: str,
        policy: str | None,
        slots: int,
        max_retries: int | None,
        max_backoff_s: float,
    ) -> None:
        super().__init__(name=f"stream {name}", daemon=True)
        self._number, self._uri, self._job, self._stats = number, uri, job, stats
        self._queues, self._tell_notice = queues, tell
        self._stream, self._policy, self._slots, self._max_retries = name, policy, slots, max_retries
        self._backoff = Backoff(cap_s=max_backoff_s)
        self._stopping = threading.Event()
        self._stop_reason = ""
        self._stop_by_s = float("inf")
        self._process: CaptureProcess | None = None
        self._wants_pictures = False
        self._told = ("", "")

    # From other threads

    def stop(self, reason: str = "stopped") -> None:
        """Ask the stream to finish; returns at once.  reason: why, a word for people."""
        if not self._stopping.is_set():
            self._stop_reason = reason
            self._stop_by_s = time.monotonic() + _STOP_S
        self._stopping.set()
        process = self._process
        if process is not None:
            process.stop()

    def want_pictures(self, wanted: bool) -> None:
        """Say whether somebody looks at the live pictures."""
        self._wants_pictures = wanted
        process = self._process
        if process is not None:
            process.send(WantPictures(wanted))

    # The thread

    def run(self) -> None:
        """Watch over the source until it is done with; whatever goes wrong, the pipeline hears of the end."""
        try:
            self._supervise()
        except Exception as error:
            self._finish(Final("failed", f"internal error ({type(error).__name__}: {error})", 1))

    def _supervise(self) -> None:
        failures, number = 0, 0
        while True:
            session = self._connect(number)
            number += 1
            failures = 0 if session.frames else failures + 1
            final = self._verdict(session, failures)
            if final is not None:
                self._finish(final)
                return
            if session.lived_s >= _GOOD_SESSION_S:
                self._backoff.reset()
            self._queues.put_mark(self._number, SessionOver())
            if not self._pause(session.ended.cause or _ENDED):
                self._finish(Final("ended", self._stop_reason))
                return

    def _verdict(self, session: _Session, failures: int) -> Final | None:
        """Return how the stream ends, or None where the source is to be tried again."""
        ended = session.ended
        if self._stopping.is_set():
            return Final("ended", self._stop_reason)
        live = self._uri.is_live_kind if session.live is None else session.live
        # A camera that ends has failed; synthetic pictures and pipelines may just end.
        if not ended.cause and not (live and self._uri.kind in _ENDLESS_KINDS):
            return Final("ended", "")
        cause = ended.cause or _ENDED
        if ended.hopeless or not live:
            return Final("failed", _line(cause, ended.remedy), ended.exit_code)
        if self._max_retries is not None and failures > self._max_retries:
            tries = "1 attempt" if failures == 1 else f"{failures} attempts"
            return Final("failed", _line(f"{cause}; given up after {tries}", ended.remedy), 1)
        return None

    def _pause(self, cause: str) -> bool:
        """Wait before the next attempt; False where the stream is to stop."""
        self._state("retrying", cause)
        self._stats.count("reconnects")
        return not self._stopping.wait(self._backoff.next_s())

    def _finish(self, final: Final) -> None:
        """Let the pipeline say how it ended, once it has dealt with the last frame."""
        self._queues.put_mark(self._number, SessionOver(final))

    # One session

    def _connect(self, number: int) -> _Session:
        job = self._job()
        if not number:  # later, the pause's own state tells more
            self._state("connecting", "")
        try:
            process = CaptureProcess(job, slots=self._slots)
        except (OSError, EOFError) as error:  # no process, memory or descriptor is left, for now
            session = _Session(number, time.monotonic(), 0.0)
            session.fail(f"cannot be started ({getattr(error, 'strerror', None) or error})")
            return session
        session = _Session(number, time.monotonic(), time.monotonic() + job.timeout_s + _OPEN_GRACE_S)
        self._process = process
        try:
            if self._wants_pictures:
                process.send(WantPictures(True))
            if self._stopping.is_set():
                process.stop()
            self._listen(process, session, job)
        finally:
            self._process = None
            process.close()
            self._stats.session_over()
        return session

    def _listen(self, process: CaptureProcess, session: _Session, job: CaptureJob) -> None:
        while not session.over:
            try:
                message = process.receive(_POLL_S)
            except EOFError:
                session.fail(process.exit_cause())
                return
            if message is not None:
                self._take(message, process, session, job)
            elif self._is_overdue(session):
                session.fail(_silence(session, job))
                return

    def _is_overdue(self, session: _Session) -> bool:
        return time.monotonic() > min(session.deadline_s, self._stop_by_s)

    def _take(self, message: FromCapture, process: CaptureProcess, session: _Session, job: CaptureJob) -> None:
        if isinstance(message, Sampled):
            self._sampled(message, process, session)
        elif isinstance(message, LivePicture):
            self._stats.pictured(message.jpeg, message.width, message.height, message.wall_time)
        elif isinstance(message, Opened):
            session.live = message.live
            self._queues.set_policy(self._number, self._policy or ("block" if message.waits else "newest"))
            self._stats.opened(message)
        elif isinstance(message, Remark):
            self._remark(message.text)
        elif isinstance(message, Ended):
            session.ended, session.over = message, True
        if isinstance(message, Sampled | Progress | Ended):
            self._stats.progress(message.counts)
            self._note_errors(message.counts, session)
        patient = session.live is not None and self._uri.kind in _PATIENT_KINDS
        session.deadline_s = float("inf") if patient else time.monotonic() + job.timeout_s + _READ_GRACE_S

    def _sampled(self, message: Sampled, process: CaptureProcess, session: _Session) -> None:
        if self._stopping.is_set():
            process.free(message)
            return
        self._stats.sampled(message)
        self._note_change(message, session)
        session.frames += 1
        frame = WaitingFrame(process.pixels(message), message, session.number, process)
        dropped = self._queues.put(self._number, frame)
        if isinstance(dropped, WaitingFrame):
            dropped.release()
            self._stats.count("dropped")

    def _note_change(self, message: Sampled, session: _Session) -> None:
        """Report what is new: that frames come, another size, another stretch of time, a frozen picture."""
        before, session.size = session.size, message.source_size
        jumped, session.epoch = message.epoch != session.epoch, message.epoch
        thawed, session.frozen = session.frozen and not message.frozen, message.frozen
        if message.frozen:
            self._state("frozen", "the picture does not change")
        elif not session.frames or thawed:
            self._state("live", "{}x{}".format(*message.source_size))
        if jumped and before != message.source_size:
            sizes = f"from {before[0]}x{before[1]} to {message.source_size[0]}x{message.source_size[1]}"
            self._remark(f"the picture's size changed {sizes}; the window begins anew")
        elif jumped:
            self._remark("frames are missing or the clock jumped; the window begins anew")

    def _note_errors(self, counts: Counts, session: _Session) -> None:
        new = counts.decode_errors - session.errors_told
        now_s = time.monotonic()
        if new > 0 and (session.over or now_s - session.errors_told_s >= _DECODE_REPORT_S):
            session.errors_told, session.errors_told_s = counts.decode_errors, now_s
            self._remark(f"{new} frame{'s' if new > 1 else ''} damaged or lost in decoding")

    # Reports

    def _state(self, state: str, detail: str) -> None:
        """Change the state; what is said already is not said again."""
        if (state, detail) == self._told:
            return
        self._told = (state, detail)
        self._stats.set_state(state, detail)
        self._tell(state, detail)

    def _remark(self, detail: str) -> None:
        """Report something that changes no state."""
        self._tell(self._told[0], detail)

    def _tell(self, state: str, detail: str) -> None:
        self._tell_notice(StreamNotice(self._stream, self._uri.display, time.time(), state, detail))


def _silence(session: _Session, job: CaptureJob) -> str:
    what = "no answer" if session.live is None else "no frame"
    return f"{what} for {job.timeout_s:g} s"


def _line(cause: str, remedy: str) -> str:
    return f"{cause}; {remedy}" if remedy else cause
