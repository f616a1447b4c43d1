"""Recording a source as an annotated video, beside its decoding."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.recording.canvas import Canvas, planes_of
from pptsn.runtime.stream.recording.drawing import Drawer
from pptsn.runtime.stream.recording.fonts import FontFile
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.recording.video_writer import (
    FALLBACK_NOTE,
    TICKS_PER_S,
    VideoWriter,
    encoder_name,
    format_of,
)
from pptsn.runtime.video.upright import Turn, turn_of

QUEUE_BYTES = 64 << 20
QUEUE_FRAMES = 512
# Overlays that frames have not reached; more of them come only while no frame does.
_OVERLAYS = 1024
# Containers round times to a millisecond, each end of an interval.
_ROUNDING_TICKS = TICKS_PER_S // 500


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A frame in the queue."""

    frame: av.VideoFrame
    time_s: float
    pixel_aspect: float
    turn: Turn
    size_bytes: int


class Recorder:
    """Encodes frames with labels on them into a video file, in a thread of its own.

    A failure (a full disk, say) ends the recording and nothing else: `error` says why, and what is offered then is
    let go.  The file is made with the first frame; one of that name is overwritten.  It is playable at any moment,
    but for the last seconds.

    path: `.mp4` (fragmented), `.ts` or `.mkv`; UsageError for another suffix.
    hold_back: for files: every frame is kept, `offer` waits where the queue is full, and a frame waits for the
        answers that are expected up to its time, so that its labels are right.  False, for live sources: `offer`
        never waits, frames that find no room are dropped, and each carries the last labels known.
    font: of the labels; None: Pillow's own.
    dropped: frames that found no room.  error: one line, or "".  note: what its user should know, or "".
    """

    def __init__(
        self,
        path: str | Path,
        *,
        hold_back: bool,
        font: FontFile | None = None,
        queue_bytes: int = QUEUE_BYTES,
        queue_frames: int = QUEUE_FRAMES,
    ) -> None:
        format_of(path)
        self.dropped = 0
        self.error = ""
        self.note = "" if encoder_name() == "libx264" else FALLBACK_NOTE
        self._path = Path(path)
        self._font = font
        self._hold_back = hold_back
        self._limits = (queue_frames, queue_bytes)
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._expected: deque[float] = deque()
        self._overlays: deque[Overlay] = deque(maxlen=_OVERLAYS)
        self._overlay = Overlay(float("-inf"))
        self._closing = self._hurrying = self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"recorder {self._path.name}", daemon=True)
        self._thread.start()

    def expect(self, time_s: float) -> None:
        """Announce that the frame at `time_s` goes to the engine: `show` or `answered` will follow for it.

        To be called before frames at that time and later are offered.
        """
        with self._changed:
            if self._hold_back and not self._over:
                self._expected.append(time_s)

    def offer(
        self, frame: av.VideoFrame, time_s: float, *, pixel_aspect: float = 1.0, turn: Turn | None = None
    ) -> None:
        """Take a decoded frame, which must not be changed later.

        time_s: presentation time in seconds from the session's beginning, no earlier than the last frame's.
        pixel_aspect: width of its pixels over their height.  turn: as it is to be turned; None: as it says itself.
        """
        size_bytes = sum(plane.buffer_size for plane in frame.planes)
        waiting = _Waiting(frame, time_s, pixel_aspect, turn_of(frame) if turn is None else turn, size_bytes)
        with self._changed:
            while self._hold_back and not self._over and not self._has_room(waiting):
                self._changed.wait()
            if self._over:
                return
            if not self._has_room(waiting):
                self.dropped += 1
                return
            self._waiting.append(waiting)
            self._waiting_bytes += waiting.size_bytes
            self._changed.notify_all()

    def show(self, overlay: Overlay) -> None:
        """Put `overlay` on the frames from its time on; it answers what is expected up to then."""
        with self._changed:
            if not self._over:
                self._overlays.append(overlay)
        self.answered(overlay.time_s)

    def answered(self, time_s: float) -> None:
        """State that what is expected up to `time_s` has been answered, with an overlay or without a change."""
        with self._changed:
            while self._expected and self._expected[0] <= time_s:
                self._expected.popleft()
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Encode what waits, with the last overlay known, and end the file; False where that took too long.

        What waits is given up then, and the file ends as soon as the encoder lets it.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            self._hurrying = True
        return not self._thread.is_alive()

    @property
    def _over(self) -> bool:
        return self._closing or self._ended

    def _has_room(self, waiting: _Waiting) -> bool:
        frames, size_bytes = self._limits
        if not self._waiting:  # one frame always fits, whatever its size
            return True
        return len(self._waiting) < frames and self._waiting_bytes + waiting.size_bytes <= size_bytes

    def _run(self) -> None:
        try:
            self._record()
        except (FFmpegError, OSError, ValueError, MemoryError) as error:
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            remedy = "choose a writable place with room" if isinstance(error, OSError) else ""
            self.error = str(InputError(self._path, f"the recording ended ({cause})", remedy))
        finally:
            self._end()

    def _record(self) -> None:
        session: _Session | None = None
        try:
            while (taken := self._take()) is not None:
                waiting, overlay = taken
                if session is None:
                    session = _Session(self._path, waiting, self._font)
                session.encode(waiting, overlay)
        finally:
            if session is not None:
                session.close()

    def _take(self) -> tuple[_Waiting, Overlay] | None:
        """Return the next frame with its overlay; None at the end."""
        with self._changed:
            while not self._is_ready():
                self._changed.wait()
            if self._hurrying or not self._waiting:
                return None
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size_bytes
            while self._overlays and self._overlays[0].time_s <= waiting.time_s:
                self._overlay = self._overlays.popleft()
            self._changed.notify_all()
            return waiting, self._overlay

    def _is_ready(self) -> bool:
        if self._closing:
            return True
        if not self._waiting:
            return False
        return not self._expected or self._waiting[0].time_s < self._expected[0]

    def _end(self) -> None:
        """Let go of what waits, and of whoever waits for room."""
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._waiting_bytes = 0
            self._expected.clear()
            self._overlays.clear()
            self._changed.notify_all()


class _Session:
    """The file, with the size of its first frame and the times of its frames; used by the encoder's thread."""

    def __init__(self, path: Path, first: _Waiting, font: FontFile | None) -> None:
        self._canvas = Canvas(first.frame, first.pixel_aspect, first.turn)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ticks = _Ticks(_stated_ticks(first.frame))
        rate = Fraction(TICKS_PER_S, self._ticks.interval).limit_denominator(1001)
        size = (self._canvas.width, self._canvas.height)
        self._writer = VideoWriter(path, *size, frame_rate=rate, colours_of=first.frame)
        self._drawer = Drawer(*size, font)

    def encode(self, waiting: _Waiting, overlay: Overlay) -> None:
        picture = self._canvas.paint(waiting.frame, waiting.pixel_aspect, waiting.turn)
        self._drawer.draw(planes_of(picture), overlay)
        tick, duration = self._ticks.at(waiting.time_s, _stated_ticks(waiting.frame))
        self._writer.write(picture, tick, duration)

    def close(self) -> None:
        self._writer.close()


def _stated_ticks(frame: av.VideoFrame) -> int:
    """Return how long the frame is shown according to its file, or 0."""
    if not frame.duration or frame.time_base is None:
        return 0
    return round(frame.duration * frame.time_base * TICKS_PER_S)


class _Ticks:
    """From times that never decrease to a file's ticks, which begin at 0 and increase strictly.

    How long a frame is shown is known from the next one; of the last one only its file can tell.  What a file
    states is used as long as it was right: MP4 states the durations in the order of decoding.

    interval: ticks between the last two frames; to begin with as stated, or a 25th of a second.
    """

    def __init__(self, stated: int) -> None:
        self.interval = stated or TICKS_PER_S // 25
        self._origin_s: float | None = None
        self._last = -1
        self._last_stated = stated
        self._is_stated_right = True

    def at(self, time_s: float, stated: int) -> tuple[int, int]:
        """Return the tick of a frame that is shown from `time_s` on, and for how many, as far as is known now.

        stated: what the frame's file says of that, or 0.
        """
        if self._origin_s is None:
            self._origin_s = time_s
        tick = max(round((time_s - self._origin_s) * TICKS_PER_S), self._last + 1)
        if self._last >= 0:
            self.interval = tick - self._last
            if abs(self.interval - self._last_stated) > _ROUNDING_TICKS:
                self._is_stated_right = False
        self._last, self._last_stated = tick, stated
        return tick, stated if stated and self._is_stated_right else self.interval
