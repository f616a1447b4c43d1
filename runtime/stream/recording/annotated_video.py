"""The annotated video of one session: a recorder, from the opening of the source to the last answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import av

from pptsn.runtime.stream.recording.overlay import Overlay, VideoFile
from pptsn.runtime.stream.recording.recorder import Recorder
from pptsn.runtime.video.upright import Turn

_POLL_S = 0.02
# No engine takes this long for a batch.
_ANSWER_S = 60.0
# A recording that is not finished by then is left as far as it is written: when the user stops, and at the end.
_STOP_S, _END_S = 1.5, 60.0


class AnnotatedVideo:
    """Records the frames of a session into `file`.  What goes wrong is told, and ends it alone.

    stop: set when the session is to finish.  remark, lost: take a line that its user should know, and one that
    tells what of the recording is lost.
    keeps_all: every frame is recorded, with the labels that are its own, and the source waits for that.
    """

    def __init__(
        self,
        file: VideoFile,
        *,
        stop: threading.Event,
        remark: Callable[[str], None],
        lost: Callable[[str], None],
        keeps_all: bool,
    ) -> None:
        self._path, self._stop, self._keeps_all = file.path, stop, keeps_all
        self._remark, self._lost = remark, lost
        self._recorder: Recorder | None = Recorder(file.path, font=file.font, hold_back=keeps_all)
        self._answered_s = self._sampled_s = float("-inf")

    # From the thread that hears what the frames show

    def show(self, overlay: Overlay) -> None:
        """Put `overlay` on the frames from its time on."""
        recorder = self._recorder
        if recorder is not None:
            recorder.show(overlay)

    def answered(self, time_s: float) -> None:
        """Take note that the sampled frames up to `time_s` have been inferred, or dropped."""
        self._answered_s = time_s
        recorder = self._recorder
        if recorder is not None:
            recorder.answered(time_s)

    # What the capture does

    def expect(self, time_s: float) -> None:
        """Announce that the frame at `time_s` is sampled, before it is offered."""
        self._sampled_s = time_s
        if self._recorder is not None:
            self._recorder.expect(time_s)

    def dropped(self, time_s: float) -> None:
        """Take back what `expect` announced."""
        self.answered(time_s)

    def offer(self, frame: av.VideoFrame, time_s: float, *, pixel_aspect: float, turn: Turn) -> None:
        """Record `frame`, turned by `turn`."""
        recorder = self._recorder
        if recorder is None:
            return
        recorder.offer(frame, time_s, pixel_aspect=pixel_aspect, turn=turn)
        if recorder.error:
            self.finish()

    def await_answers(self) -> None:
        """Wait for what the last frames show, so that the end of the recording can tell."""
        answered_s, since_s = self._answered_s, time.monotonic()
        while self._keeps_all and self._recorder is not None and self._answered_s < self._sampled_s:
            if self._stop.wait(_POLL_S) or time.monotonic() - since_s > _ANSWER_S:
                return
            if self._answered_s != answered_s:
                answered_s, since_s = self._answered_s, time.monotonic()

    def finish(self) -> None:
        """End the file; a second call does nothing."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        done = recorder.close(_STOP_S if self._stop.is_set() else _END_S)
        if recorder.error:
            self._lost(recorder.error)
        if recorder.note:
            self._remark(recorder.note)
        if recorder.dropped:
            self._lost(f"{self._path}: the recording lacks {recorder.dropped} frames")
        if not done:
            self._lost(f"{self._path}: the end of the recording is missing")
