"""The process of one connection to a source: it opens the source, samples it, and ends with it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import MissingDependencyError, PptsnError, UsageError
from pptsn.runtime.base.memory import return_freed_memory
from pptsn.runtime.base.plugins import PluginError
from pptsn.runtime.credentials.redaction import redacted
from pptsn.runtime.frames.grid import GridSlot, TimeGrid
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.capture.control import Control
from pptsn.runtime.stream.capture.damage import DamageWatch
from pptsn.runtime.stream.capture.frozen import FrozenDetector
from pptsn.runtime.stream.capture.pace import Pace
from pptsn.runtime.stream.capture.protocol import (
    CaptureJob,
    Counts,
    Ended,
    HandedDescriptor,
    LivePicture,
    Opened,
    Progress,
    Remark,
    Sampled,
)
from pptsn.runtime.stream.capture.timeline import Timeline, in_seconds
from pptsn.runtime.stream.recording.annotated_video import AnnotatedVideo
from pptsn.runtime.stream.recording.preview import PreviewMaker
from pptsn.runtime.stream.sources.base import Captured, OpenSource
from pptsn.runtime.stream.sources.bursts import DueTimes
from pptsn.runtime.stream.sources.registry import kind_of, open_source
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.workers.slots import FrameSlots
from pptsn.runtime.workers.starting import ignore_stop_signals, let_go_of_program

if TYPE_CHECKING:
    import av

    from pptsn.runtime.video.upright import Turn

# Whoever supervises hears of frames at least this often.
_PROGRESS_S = 0.5
# How often a capture that waits for room looks whether it should stop.
_POLL_S = 0.2


def run_capture(
    connection: Connection, slots: FrameSlots, job: CaptureJob, stdin: HandedDescriptor | None
) -> None:
    """Do `job`, in a process of its own, and report over `connection`.

    stdin: standard input, for a source of that kind, or None.

    The process leads a group of its own, so that ending it ends what it has started; and it ends itself when its
    supervisor is gone.
    """
    os.setsid()
    let_go_of_program()
    return_freed_memory()
    control = Control(connection)
    # The end of a service sends SIGTERM to all its processes: this one then finishes.
    ignore_stop_signals(terminate=lambda number, frame: control.stop.set())
    control.start()
    control.send(Capture(control, slots, job).run(None if stdin is None else stdin.number))


class Capture:
    """Reads one source to its end: frames that the grid chooses go into slots, all of them to the recording."""

    def __init__(self, control: Control, slots: FrameSlots, job: CaptureJob) -> None:
        self._control, self._slots, self._job = control, slots, job
        self._grid = TimeGrid(job.step_s, max_gap_s=job.max_gap_s)
        self._frozen: FrozenDetector | None = None
        self._pictures = PictureMaker(job.uri.display, None, self._resize)
        self._preview = PreviewMaker()
        self._video: AnnotatedVideo | None = None
        self._waits = False
        self._decoded = self._dropped = self._decode_errors = 0
        self._damage = DamageWatch("")
        self._told = 0
        self._pixel_aspect = 1.0
        self._epoch = self._jumps = 0
        self._last_s = self._due_s = 0.0
        self._reported_s = time.monotonic()

    def run(self, stdin_fd: int | None) -> Ended:
        """Return how it ended."""
        job = self._job
        try:
            with open_source(job.uri, timeout_s=job.timeout_s, stdin_fd=stdin_fd) as source:
                self._prepare(source)
                self._read(source)
                if self._video is not None:
                    with self._excused():
                        self._video.await_answers()
        except PptsnError as error:
            hopeless = isinstance(error, MissingDependencyError | PluginError | UsageError)
            return Ended(self._counts(), error.cause, error.remedy, hopeless, error.exit_code)
        except MemoryError:
            return Ended(self._counts(), "out of memory", "close other programs, or use smaller pictures")
        except Exception as error:  # whatever it is, the supervisor shall hear of it, and nobody of credentials
            text = redacted(f"{type(error).__name__}: {error}", secrets=kind_of(job.uri).secrets(job.uri))
            return Ended(self._counts(), f"internal error ({text})")
        finally:
            if self._video is not None:
                with self._excused():
                    self._video.finish()
        return Ended(self._counts())

    def _prepare(self, source: OpenSource) -> None:
        """Settle what depends on whether the source happens now, and tell the supervisor."""
        job = self._job
        paced = source.live or job.realtime
        self._waits = not paced if job.waits is None else job.waits
        self._pixel_aspect = source.pixel_aspect
        self._damage = DamageWatch(source.codec)
        if paced and job.frozen_after_s > 0:
            self._frozen = FrozenDetector(job.frozen_after_s)
        self._control.send(Opened(source.live, self._waits, source.frame_rate, source.duration_s))
        self._tell_notes(source)
        if job.video is not None:
            self._video = AnnotatedVideo(
                job.video,
                stop=self._control.stop,
                remark=self._remark,
                lost=self._tell_loss,
                keeps_all=self._waits and not source.live,
            )
            self._control.annotated = self._video

    def _read(self, source: OpenSource) -> None:
        timeline = Timeline(
            live=source.live,
            frame_rate=source.frame_rate,
            coded_rate=source.coded_rate,
            max_gap_s=self._job.max_gap_s,
        )
        pace = Pace(self._job.timeout_s, remark=self._remark) if self._job.realtime and not source.live else None
        due = DueTimes() if source.live else None
        self._control.still_excused = lambda: Progress(self._counts()) if source.awaits_key else None
        for captured in source.frames():
            time_s = timeline.at(captured.pts_s, captured.captured_s)
            captured_s = captured.captured_s
            self._due_s = captured_s if due is None else due.at(time_s, captured_s)
            if pace is not None:
                with self._excused():
                    captured_s = pace.wait(time_s, self._control.stop)
            if self._control.stop.is_set():
                return
            self._decoded += 1
            self._tell_notes(source)
            for note in timeline.notes():
                self._remark(note)
            self._damage.add(corrupt=captured.is_damaged, lost=source.decode_errors)
            self._decode_errors = source.decode_errors + self._damage.damaged
            self._take(captured, time_s, captured_s, timeline)
        self._tell_notes(source)
        self._decode_errors = source.decode_errors + self._damage.damaged

    def _remark(self, text: str) -> None:
        self._control.send(Remark(text))

    def _tell_loss(self, text: str) -> None:
        self._control.send(Remark(text, lost=True))

    def _tell_notes(self, source: OpenSource) -> None:
        for note in source.notes[self._told :]:
            self._control.send(Remark(note, once=True))
        self._told = len(source.notes)

    def _take(self, captured: Captured, time_s: float, captured_s: float, timeline: Timeline) -> None:
        frame = captured.frame
        turn = self._pictures.turn_of(frame)  # of each, as one may say it for those after it
        size = (frame.width, frame.height)
        slot = self._grid.slot_of(time_s, size=size, jumps=timeline.jumps)
        if slot is not None:
            anew = self._why_anew(slot, time_s, timeline)
            self._deliver(captured, slot, time_s, captured_s, anew=anew)
        self._last_s = time_s
        if self._video is not None:
            with self._excused():
                self._video.offer(frame, time_s, pixel_aspect=self._pixel_aspect, turn=turn)
        if self._control.wants_pictures:
            self._show(frame, turn)
        if time.monotonic() - self._reported_s >= _PROGRESS_S:
            self._report(Progress(self._counts()))

    def _why_anew(self, slot: GridSlot, time_s: float, timeline: Timeline) -> str:
        """Return why a new stretch of time begins with the frame in `slot`; "" where none does."""
        jumped, self._jumps = timeline.jumps > self._jumps, timeline.jumps
        begins, self._epoch = slot.epoch > max(0, self._epoch), slot.epoch
        if not begins:
            return ""
        return timeline.jump if jumped else f"no frame for {in_seconds(time_s - self._last_s)}"

    def _deliver(
        self, captured: Captured, grid_slot: GridSlot, time_s: float, captured_s: float, *, anew: str
    ) -> None:
        pixels = self._pictures.make(captured.frame, self._decoded).pixels
        frozen = self._frozen is not None and self._frozen.add(pixels, time_s)
        stamp = self._stamp(grid_slot, time_s, captured_s)
        if self._video is not None:
            self._video.expect(time_s)
        slot = self._take_slot()
        if slot is None:
            self._dropped += 1
            if self._video is not None:
                self._video.dropped(time_s)
            return
        height, width = pixels.shape[:2]
        fits = self._slots.fits(pixels)
        if fits:
            self._slots.view(slot, height, width)[...] = pixels
        self._report(
            Sampled(
                slot=slot,
                inline=b"" if fits else pixels.tobytes(),
                height=height,
                width=width,
                stamp=stamp,
                source_size=(captured.frame.width, captured.frame.height),
                frozen=frozen,
                counts=self._counts(),
                due_s=self._due_s,
                anew=anew,
                damaged=self._damage.is_damaged,
            )
        )

    def _stamp(self, slot: GridSlot, time_s: float, captured_s: float) -> FrameStamp:
        """Return the stamp of a frame that has just been decoded and resized."""
        job, decoded_s = self._job, time.monotonic()
        wall_time = time.time() - (decoded_s - captured_s)
        return FrameStamp(job.stream, job.session, slot.epoch, slot.slot, time_s, wall_time, captured_s, decoded_s)

    def _take_slot(self) -> int | None:
        """Return a slot; where there is none, wait for one until the frame is late, or as long as it takes."""
        slot = self._slots.take(0)
        late_s = math.inf if self._waits else self._due_s
        if slot is None and time.monotonic() < late_s:
            with self._excused():
                while slot is None and time.monotonic() < late_s and not self._control.stop.is_set():
                    slot = self._slots.take(_POLL_S)
        return slot

    def _show(self, frame: av.VideoFrame, turn: Turn) -> None:
        made = self._preview.maybe(frame, time.monotonic(), pixel_aspect=self._pixel_aspect, turn=turn)
        if made is not None:
            jpeg, width, height = made
            self._control.send(LivePicture(jpeg, width, height, time.time()))

    def _report(self, message: Sampled | Progress) -> None:
        self._reported_s = time.monotonic()
        self._control.send(message)

    def _counts(self) -> Counts:
        return Counts(self._decoded, self._decode_errors, self._dropped)

    def _resize(self, pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=self._job.short_side, rule=self._job.resize_rule)

    @contextmanager
    def _excused(self) -> Iterator[None]:
        """Let the supervisor know that all is well while the source has to wait for something."""
        self._control.excuse = Progress(self._counts())
        try:
            yield
        finally:
            self._control.excuse = None
