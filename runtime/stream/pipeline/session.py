"""One connection to a source: its capture process heard out, its frames queued, its changes reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

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
)
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline.queues import FrameQueues, QueueItem, WaitingFrame
from pptsn.runtime.stream.sources.registry import kind_of

# A process gets this much longer than its decoder, which knows better what is wrong.
_OPEN_GRACE_S, _READ_GRACE_S = 3.0, 1.0
# Packets that cannot be decoded are reported when they begin, and then at most this often.
_DECODE_REPORT_S = 10.0
# Why a source is opened again, and again, is repeated after a minute, then whenever it has lasted twice as
# long, and every hour at least.
_REPEAT_S, _REPEAT_CAP_S = 60.0, 3600.0


_DETAILS = {"damaged": "nearly all pictures come out damaged", "frozen": "the picture does not change"}


class StreamReports:
    """Says what a stream is doing, to its statistics and as notices.  For one thread.

    name, source: for the notices.  emit: takes them.  clock_s: tells the seconds between them.
    """

    def __init__(
        self,
        name: str,
        source: str,
        stats: StreamStats,
        emit: Callable[[StreamNotice], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._source, self._stats, self._emit, self._clock_s = name, source, stats, emit, clock_s
        self._last = ("", "")
        self._since_s = self._repeat_at_s = 0.0
        self._once: set[str] = set()

    def state(self, state: str, detail: str) -> None:
        """Change the state; what was said last is not said again."""
        if (state, detail) == self._last:
            return
        self._last = (state, detail)
        self._since_s = self._clock_s()
        self._repeat_at_s = self._since_s + _REPEAT_S
        self._stats.set_state(state, detail)
        self._send(state, detail)

    def retrying(self, cause: str) -> None:
        """Tell that the source is opened again, and now and then that this has gone on for so many minutes."""
        now_s = self._clock_s()
        if ("retrying", cause) == self._last and now_s >= self._repeat_at_s:
            elapsed_s = now_s - self._since_s
            self._repeat_at_s = now_s + min(elapsed_s, _REPEAT_CAP_S)
            self._send("retrying", f"{cause} (for {elapsed_s / 60:.0f} min)")
        self.state("retrying", cause)

    def remark(self, detail: str, *, once: bool = False) -> None:
        """Report something that changes no state.  once: not again what was reported so before."""
        if once and detail in self._once:
            return
        if once:
            self._once.add(detail)
        self._send(self._last[0], detail)

    def _send(self, state: str, detail: str) -> None:
        self._emit(StreamNotice(self._name, self._source, time.time(), state, detail))


class Session:
    """What happens in one connection to a source.  For the thread of its supervisor.

    stream: its number in `queues`.  policy: see StreamSettings.

    ended: how it ended, once `over`.  live: whether the source is, as it says itself; None until it is open.
    """

    def __init__(
        self,
        job: CaptureJob,
        queues: FrameQueues[QueueItem],
        stream: int,
        *,
        policy: str | None,
        stats: StreamStats,
        reports: StreamReports,
    ) -> None:
        self._job, self._queues, self._stream, self._policy = job, queues, stream, policy
        self._stats, self._reports = stats, reports
        self.live: bool | None = None
        self.frames = 0
        self.over = False
        self.ended = Ended(Counts(0, 0, 0))
        self._began_s = time.monotonic()
        self._deadline_s = self._began_s + job.timeout_s + _OPEN_GRACE_S
        self._due_s = 0.0  # of the newest frame: silence counts from then on
        self._condition = ""
        self._epoch = 0
        self._size = (0, 0)
        self._errors_reported = 0
        self._errors_reported_s = float("-inf")

    @property
    def lived_s(self) -> float:
        """How long it lasted, if frames came at all."""
        return time.monotonic() - self._began_s if self.frames else 0.0

    def fail(self, cause: str, remedy: str = "") -> None:
        """Note that it broke off, for what the process could not tell itself."""
        self.ended, self.over = Ended(Counts(0, 0, 0), cause, remedy), True

    def fail_if_silent(self, by_s: float) -> None:
        """Fail where nothing was heard for too long, or for longer than until `by_s` (`time.monotonic`)."""
        if time.monotonic() > min(self._deadline_s, by_s):
            what = "no answer" if self.live is None else "no frame"
            self.fail(f"{what} for {self._job.timeout_s:g} s", kind_of(self._job.uri).silence_remedy)

    def take(self, message: FromCapture, process: CaptureProcess, *, discard: bool) -> None:
        """Take a message of the capture process.  discard: give its frames back, as nobody wants them any more."""
        if isinstance(message, Sampled):
            if discard:
                process.free(message)
            else:
                self._queue(message, process)
        elif isinstance(message, LivePicture):
            self._stats.pictured(message.jpeg, message.width, message.height, message.wall_time)
        elif isinstance(message, Opened):
            self.live = message.live
            self._queues.set_policy(self._stream, self._policy or ("block" if message.waits else "newest"))
            self._stats.opened(message)
        elif isinstance(message, Remark):
            self._reports.remark(message.text, once=message.once)
            if message.lost:
                self._stats.lost(message.text)
        elif isinstance(message, Ended):
            self.ended, self.over = message, True
        if isinstance(message, Sampled | Progress | Ended):
            self._stats.progress(message.counts)
            self._note_errors(message.counts)
        patient = self.live is not None and kind_of(self._job.uri).is_patient
        since_s = max(time.monotonic(), self._due_s)
        self._deadline_s = float("inf") if patient else since_s + self._job.timeout_s + _READ_GRACE_S

    def _queue(self, message: Sampled, process: CaptureProcess) -> None:
        self._stats.sampled(message)
        self._note_change(message)
        self.frames += 1
        self._due_s = message.due_s
        frame = WaitingFrame(process.pixels(message), message.stamp, partial(process.free, message))
        dropped = self._queues.put(self._stream, frame, due_s=message.due_s, size=frame.pixels.nbytes)
        for each in dropped:
            if isinstance(each, WaitingFrame):
                each.release()
                self._stats.count("dropped")

    def _note_change(self, message: Sampled) -> None:
        """Report what is new: that frames come, another size or stretch of time, damage, a frozen picture."""
        epoch = message.stamp.epoch
        before, self._size = self._size, message.source_size
        jumped, self._epoch = epoch != self._epoch, epoch
        condition = "damaged" if message.damaged else "frozen" if message.frozen else "live"
        if condition != self._condition:
            self._condition = condition
            self._reports.state(condition, _DETAILS.get(condition, "{}x{}".format(*message.source_size)))
        if jumped and before != message.source_size:
            sizes = f"from {before[0]}x{before[1]} to {message.source_size[0]}x{message.source_size[1]}"
            self._reports.remark(f"the picture's size changed {sizes}; the window begins anew")
        elif jumped:
            self._reports.remark(f"{message.anew or 'frames are missing'}; the window begins anew")

    def _note_errors(self, counts: Counts) -> None:
        new = counts.decode_errors - self._errors_reported
        now_s = time.monotonic()
        if new > 0 and (self.over or now_s - self._errors_reported_s >= _DECODE_REPORT_S):
            self._errors_reported, self._errors_reported_s = counts.decode_errors, now_s
            self._reports.remark(f"{new} frame{'s' if new > 1 else ''} damaged or lost in decoding")
