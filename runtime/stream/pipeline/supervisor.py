"""Keeping one source running: connecting, watching over its process, ending it when it hangs, trying again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from pptsn.runtime.base.backoff import Backoff
from pptsn.runtime.stream.actions.messages import StreamNotice
from pptsn.runtime.stream.capture.process import CaptureProcess, slot_bytes
from pptsn.runtime.stream.capture.protocol import CaptureJob, ToCapture, WantPictures
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline.queues import FrameQueues, Outcome, QueueItem, SessionEnd
from pptsn.runtime.stream.pipeline.session import Session, StreamReports
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.bursts import BURST_S
from pptsn.runtime.stream.sources.registry import kind_of

# How often a supervisor that hears nothing looks at the time.
_POLL_S = 0.1
# From being asked to stop until being ended.
_STOP_S = 1.7
# A connection that lasted so long was a good one: after it the pauses begin with the shortest again.
_GOOD_SESSION_S = 5.0
# Frames in memory beside those that wait: one that is being filled, one that is being cut into crops.
_SLOTS_IN_USE = 2

_ENDED = "the source ended"


class StreamSupervisor(threading.Thread):
    """The thread of one stream: runs one capture process after another until the source is done with.

    number: of the stream, in `queues`.  job: makes the job of a session, by the session's number.
    emit: takes notices, from this thread.
    """

    def __init__(
        self,
        number: int,
        name: str,
        uri: SourceUri,
        settings: StreamSettings,
        *,
        job: Callable[[int], CaptureJob],
        stats: StreamStats,
        queues: FrameQueues[QueueItem],
        emit: Callable[[StreamNotice], None],
    ) -> None:
        super().__init__(name=f"stream {name}", daemon=True)
        self._number, self._uri, self._settings, self._job = number, uri, settings, job
        self._stats, self._queues = stats, queues
        self._reports = StreamReports(name, uri.display, stats, emit)
        self._backoff = Backoff(cap_s=settings.max_backoff_s)
        self._stopping = threading.Event()
        self._stop_reason = ""
        self._stop_by_s = float("inf")
        self._running: tuple[int, CaptureProcess] | None = None  # the session under way
        self._wants_pictures = False

    # From other threads

    def stop(self, reason: str = "stopped") -> None:
        """Ask the stream to finish; returns at once.  reason: why, a word for people."""
        if not self._stopping.is_set():
            self._stop_reason = reason
            self._stop_by_s = time.monotonic() + _STOP_S
        self._stopping.set()
        running = self._running
        if running is not None:
            running[1].stop()

    def want_pictures(self, wanted: bool) -> None:
        """Say whether somebody looks at the live pictures."""
        self._wants_pictures = wanted
        running = self._running
        if running is not None:
            running[1].send(WantPictures(wanted))

    def reply(self, session: int, message: ToCapture) -> None:
        """Send `message` to the capture process of `session`, if that session is still under way."""
        running = self._running
        if running is not None and running[0] == session:
            running[1].send(message)

    # The thread

    def run(self) -> None:
        """Watch over the source until it is done with; whatever goes wrong, the pipeline hears of the end."""
        try:
            outcome = self._supervise()
        except Exception as error:
            outcome = Outcome("failed", f"internal error ({type(error).__name__}: {error})", 1)
        # Behind the last frame: the pipeline says how the stream ended once it has seen that.
        self._queues.put_end(self._number, SessionEnd(outcome))

    def _supervise(self) -> Outcome:
        """Run session after session; return how the stream ends."""
        failures, number = 0, 0
        while True:
            session = self._connect(number)
            number += 1
            failures = 0 if session.frames else failures + 1
            outcome = self._outcome(session, failures)
            if outcome is not None:
                return outcome
            if session.lived_s >= _GOOD_SESSION_S:
                self._backoff.reset()
            self._queues.put_end(self._number, SessionEnd())
            # Of a source that never worked, people may have to be told what to do; of one that did, it comes back.
            remedy = session.ended.remedy if failures == number else ""
            if not self._pause(_line(session.ended.cause or _ENDED, remedy)):
                return Outcome("ended", self._stop_reason)

    def _outcome(self, session: Session, failures: int) -> Outcome | None:
        """Return how the stream ends, or None where the source is to be tried again."""
        ended = session.ended
        if self._stopping.is_set():
            return Outcome("ended", self._stop_reason)
        live = self._uri.is_live_kind if session.live is None else session.live
        # A camera that ends has failed; synthetic pictures and pipelines may just end.
        if not ended.cause and not (live and kind_of(self._uri).is_endless):
            return Outcome("ended", "")
        cause = ended.cause or _ENDED
        if ended.hopeless or not live:
            return Outcome("failed", _line(cause, ended.remedy), ended.exit_code)
        max_retries = self._settings.max_retries
        if max_retries is not None and failures > max_retries:
            tries = "1 attempt" if failures == 1 else f"{failures} attempts"
            return Outcome("failed", _line(f"{cause}; given up after {tries}", ended.remedy), 1)
        return None

    def _pause(self, cause: str) -> bool:
        """Wait before the next attempt; False where the stream is to stop."""
        self._reports.retrying(cause)
        self._stats.count("reconnects")
        return not self._stopping.wait(self._backoff.next_s())

    def _connect(self, number: int) -> Session:
        """Run a session to its end."""
        job = self._job(number)
        if not number:  # later, the pause's own state tells more
            self._reports.state("connecting", "")
        try:
            process = CaptureProcess(job, slots=self._slots(job), standing=self._standing_slots)
        except (OSError, EOFError) as error:  # no process, memory or descriptor is left, for now
            session = self._new_session(job)
            session.fail(f"cannot be started ({getattr(error, 'strerror', None) or error})")
            return session
        session = self._new_session(job)
        self._running = (number, process)
        try:
            if self._wants_pictures:
                process.send(WantPictures(True))
            if self._stopping.is_set():
                process.stop()
            self._listen(process, session)
        finally:
            self._running = None
            process.close()
            self._stats.session_over()
        return session

    @property
    def _standing_slots(self) -> int:
        return self._settings.queue_frames + _SLOTS_IN_USE

    def _slots(self, job: CaptureJob) -> int:
        """Return how many frames may be in memory: of a live source, within the limit, all that a burst has."""
        standing, settings = self._standing_slots, self._settings
        if not self._uri.is_live_kind:
            return standing
        in_a_burst = math.ceil(BURST_S / settings.step_s)
        return max(standing, min(standing + in_a_burst, int(settings.queue_bytes / slot_bytes(job.short_side))))

    def _new_session(self, job: CaptureJob) -> Session:
        policy, stats, reports = self._settings.policy, self._stats, self._reports
        return Session(job, self._queues, self._number, policy=policy, stats=stats, reports=reports)

    def _listen(self, process: CaptureProcess, session: Session) -> None:
        while not session.over:
            try:
                message = process.receive(_POLL_S)
            except EOFError:
                session.fail(process.exit_cause())
                return
            if message is not None:
                session.take(message, process, discard=self._stopping.is_set())
            else:
                session.fail_if_silent(self._stop_by_s)


def _line(cause: str, remedy: str) -> str:
    return f"{cause}; {remedy}" if remedy else cause
