"""The process of one connection to a source: it opens the source, samples it, and ends with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from runtime.errors import MissingDependencyError, PptsnError, UsageError
from runtime.memory import return_freed_memory
from runtime.preprocess import Frame, resize_frame
from runtime.stream.capture.opening import open_source
from runtime.stream.capture.overlay import Overlay
from runtime.stream.capture.preview import PreviewMaker
from runtime.stream.capture.protocol import (
    Answered,
    CaptureJob,
    Counts,
    Ended,
    FromCapture,
    LivePicture,
    Opened,
    Progress,
    Remark,
    Sampled,
    Stop,
    WantPictures,
)
from runtime.stream.capture.slots import FrameSlots
from runtime.stream.capture.source import Captured, OpenSource
from runtime.stream.frozen import FrozenDetector
from runtime.stream.grid import GridPlace, TimeGrid
from runtime.stream.timeline import Timeline
from runtime.video.picture import PictureMaker

if TYPE_CHECKING:
    from runtime.stream.capture.recorder import Recorder

# Whoever supervises hears of frames at least this often.
_PROGRESS_S = 0.5
# How often a capture that waits for room looks whether it should stop.
_POLL_S = 0.2
_ANSWER_POLL_S = 0.02
# A recording that is not finished by then is left as far as it is written: when the user stops, and at the end.
_RECORDER_STOP_S, _RECORDER_END_S = 1.5, 60.0


def run_capture(connection: Connection, slots: FrameSlots, job: CaptureJob, stdin: Any) -> None:
    """Do `job`, in a process of its own, and report over `connection`.

    stdin: what `multiprocessing.reduction.DupFd` made of standard input, for a source of that kind, or None.

    Ctrl-C is the supervisor's affair.  The process leads a group of its own, so that ending it ends what it has
    started; and it ends itself when its supervisor is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    return_freed_memory()
    control = Control(connection)
    control.start()
    stdin_fd = None if stdin is None else int(stdin.detach())
    capture = Capture(control, slots, job)
    ended = capture.run(stdin_fd)
    with suppress(OSError):
        connection.send(ended)


class Control(threading.Thread):
    """Listens to the supervisor, and says what the capture has to tell."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="control", daemon=True)
        self._connection = connection
        self._sending = threading.Lock()
        self.stop = threading.Event()
        self.wants_pictures = False
        self.answered_s = float("-inf")
        self.recorder: Recorder | None = None

    def run(self) -> None:
        """Listen until the supervisor hangs up; then the process ends."""
        while True:
            try:
                message: Any = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # nobody is left to work for, and the capture may hang in a decoder
            if isinstance(message, Stop):
                self.stop.set()
            elif isinstance(message, WantPictures):
                self.wants_pictures = message.wanted
            elif self.recorder is not None and isinstance(message, Overlay):
                self.recorder.show(message)
            elif isinstance(message, Answered):
                self.answered_s = message.time_s
                if self.recorder is not None:
                    self.recorder.answered(message.time_s)

    def send(self, message: FromCapture) -> None:
        """Send `message`; a supervisor that has gone is noticed by `run`."""
        with self._sending, suppress(BrokenPipeError):
            self._connection.send(message)


class Capture:
    """Reads one source to its end: the frames that the grid chooses go into slots, all of them to the recorder."""

    def __init__(self, control: Control, slots: FrameSlots, job: CaptureJob) -> None:
        self._control, self._slots, self._job = control, slots, job
        self._grid = TimeGrid(job.step_s, max_gap_s=job.max_gap_s)
        self._frozen = FrozenDetector(job.frozen_after_s) if job.frozen_after_s > 0 else None
        self._pictures = PictureMaker(job.uri.display, None, self._resize)
        self._preview = PreviewMaker()
        self._decoded = self._dropped = self._decode_errors = self._damaged = 0
        self._saw_whole = False
        self._sampled_s = float("-inf")
        self._pixel_aspect = 1.0
        self._told_s = time.monotonic()

    def run(self, stdin_fd: int | None) -> Ended:
        """Return how it ended."""
        job = self._job
        try:
            with open_source(job.uri, timeout_s=job.timeout_s, stdin_fd=stdin_fd) as source:
                self._control.send(Opened(source.live, source.frame_rate, source.duration_s))
                self._pixel_aspect = source.pixel_aspect
                self._start_recorder(source)
                self._read(source)
                self._await_answers()
        except PptsnError as error:
            hopeless = isinstance(error, MissingDependencyError | UsageError)
            return Ended(self._counts(), error.cause, error.remedy, hopeless, error.exit_code)
        except MemoryError:
            return Ended(self._counts(), "out of memory", "close other programs, or use smaller pictures")
        finally:
            self._finish_recorder()
        return Ended(self._counts())

    def _read(self, source: OpenSource) -> None:
        timeline = Timeline(live=source.live)
        pace = _Pace() if self._job.realtime and not source.live else None
        for captured in source.frames():
            time_s = timeline.at(captured.pts_s, captured.captured_s)
            captured_s = captured.captured_s
            if pace is not None:
                captured_s = pace.wait(time_s, self._control.stop)
            if self._control.stop.is_set():
                return
            self._decoded += 1
            self._note_damage(captured)
            self._decode_errors = source.decode_errors + self._damaged
            self._take(captured, time_s, captured_s, timeline.jumps)

    def _note_damage(self, captured: Captured) -> None:
        """Count a frame that came out damaged; of a decoder that calls every frame so, it means nothing."""
        if not captured.frame.is_corrupt:
            self._saw_whole = True
        elif self._saw_whole:
            self._damaged += 1

    def _take(self, captured: Captured, time_s: float, captured_s: float, jumps: int) -> None:
        frame = captured.frame
        size = (frame.width, frame.height)
        place = self._grid.place(time_s, size=size, jumps=jumps)
        if place is not None:
            self._deliver(captured, place, time_s, captured_s)
        if self._control.recorder is not None:
            self._record(captured, time_s, self._control.recorder)
        if self._control.wants_pictures:
            self._show(captured)
        if time.monotonic() - self._told_s >= _PROGRESS_S:
            self._tell(Progress(self._counts()))

    def _deliver(self, captured: Captured, place: GridPlace, time_s: float, captured_s: float) -> None:
        pixels = self._pictures.make(captured.frame, self._decoded).pixels
        frozen = self._frozen is not None and self._frozen.add(pixels, time_s)
        decoded_s = time.monotonic()
        self._sampled_s = time_s
        fits = self._slots.fits(pixels)
        recorder = self._control.recorder
        if recorder is not None:
            recorder.expect(time_s)
        slot = self._take_slot()
        if slot is None:
            self._dropped += 1
            if recorder is not None:
                recorder.answered(time_s)
            return
        height, width = pixels.shape[:2]
        if fits:
            self._slots.view(slot, height, width)[...] = pixels
        self._tell(
            Sampled(
                slot=slot,
                inline=b"" if fits else pixels.tobytes(),
                height=height,
                width=width,
                epoch=place.epoch,
                place=place.slot,
                time_s=time_s,
                captured_s=captured_s,
                decoded_s=decoded_s,
                wall_time=time.time() - (decoded_s - captured_s),
                source_size=(captured.frame.width, captured.frame.height),
                frozen=frozen,
                counts=self._counts(),
            )
        )

    def _take_slot(self) -> int | None:
        if not self._job.waits:
            return self._slots.take(0)
        while not self._control.stop.is_set():
            slot = self._slots.take(_POLL_S)
            if slot is not None:
                return slot
        return None

    def _show(self, captured: Captured) -> None:
        made = self._preview.maybe(captured.frame, time.monotonic(), pixel_aspect=self._pixel_aspect)
        if made is not None:
            jpeg, width, height = made
            self._control.send(LivePicture(jpeg, width, height, time.time()))

    def _tell(self, message: Sampled | Progress) -> None:
        self._told_s = time.monotonic()
        self._control.send(message)

    def _counts(self) -> Counts:
        return Counts(self._decoded, self._decode_errors, self._dropped)

    def _resize(self, pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=self._job.short_side, rule=self._job.resize_rule)

    def _start_recorder(self, source: OpenSource) -> None:
        if self._job.record_path is not None:
            from runtime.stream.capture.recorder import Recorder

            self._control.recorder = Recorder(self._job.record_path, hold_back=self._job.waits and not source.live)

    def _record(self, captured: Captured, time_s: float, recorder: Recorder) -> None:
        recorder.offer(captured.frame, time_s, pixel_aspect=self._pixel_aspect)
        if recorder.error:
            self._control.recorder = None
            recorder.close(_RECORDER_STOP_S)
            self._control.send(Remark(recorder.error))

    def _await_answers(self) -> None:
        """Wait for what the last frames show, so that the end of the recording can tell."""
        control = self._control
        while control.recorder is not None and control.answered_s < self._sampled_s:
            if control.stop.wait(_ANSWER_POLL_S):
                return

    def _finish_recorder(self) -> None:
        recorder, self._control.recorder = self._control.recorder, None
        if recorder is None:
            return
        done = recorder.close(_RECORDER_STOP_S if self._control.stop.is_set() else _RECORDER_END_S)
        for text in (recorder.error, recorder.note):
            if text:
                self._control.send(Remark(text))
        if recorder.dropped:
            self._control.send(Remark(f"{self._job.record_path}: the recording lacks {recorder.dropped} frames"))
        if not done:
            self._control.send(Remark(f"{self._job.record_path}: the end of the recording is missing"))


class _Pace:
    """Lets a file run at its own pace."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def wait(self, time_s: float, stop: threading.Event) -> float:
        """Wait until `time_s` after the beginning, or for `stop`; return when that is (`time.monotonic`)."""
        due_s = self._start_s + time_s
        stop.wait(max(0.0, due_s - time.monotonic()))
        return due_s
