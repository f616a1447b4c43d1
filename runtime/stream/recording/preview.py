"""Small JPEG pictures of a stream for the web page."""

from __future__ import annotations

from typing import Any

import av
import cv2

from pptsn.runtime.stream.recording.canvas import Scaler, fit, is_quarter, shown_size
from pptsn.runtime.video.upright import Turn, turn_of, upright


class PreviewMaker:
    """Makes pictures of frames, `max_rate_hz` a second at most.  For use by one thread.

    A picture of a 1080p frame takes 1.5 ms of a core, half of it for the JPEG: 1.5 % of it at 10 a second.

    max_width: in pixels; portrait pictures are no higher than that.  quality: of the JPEG, 1 to 100.
    """

    def __init__(self, max_width: int = 640, max_rate_hz: float = 10, quality: int = 80) -> None:
        self._max_side = max_width
        self._period_s = 1 / max_rate_hz
        self._quality = [cv2.IMWRITE_JPEG_QUALITY, quality]
        self._scaler = Scaler("AREA")
        self._due_s = float("-inf")
        self._last_s = float("-inf")

    def maybe(
        self, frame: av.VideoFrame, time_s: float, *, pixel_aspect: float = 1.0, turn: Turn | None = None
    ) -> tuple[bytes, int, int] | None:
        """Return a JPEG of `frame`, upright and with square pixels, its width and its height; None if not due.

        pixel_aspect: width of the frame's pixels over their height.
        turn: as it is to be turned; None: as it says itself.
        time_s: by which the rate is limited: of `time.monotonic`, or presentation time where frames come at their
        own pace: a file that is read as fast as it can be would make far too many pictures by the latter.
        """
        if not self._is_due(time_s):
            return None
        turn = turn_of(frame) if turn is None else turn
        shown = shown_size(frame, turn, pixel_aspect)
        box = min(self._max_side, round(max(shown)))
        width, height = fit(shown, (box, box))
        before_turn = (height, width) if is_quarter(turn) else (width, height)
        small: Any = self._scaler.scale(frame, *before_turn, "bgr24").to_ndarray()
        _, jpeg = cv2.imencode(".jpg", upright(small, turn), self._quality)
        return jpeg.tobytes(), width, height

    def _is_due(self, time_s: float) -> bool:
        if self._last_s <= time_s < self._due_s:
            return False
        # From when it was due, not from now: frames at 25 Hz still give 10 pictures a second, not 8.
        self._due_s = max(self._due_s + self._period_s, time_s)
        if time_s < self._last_s:  # the clock was set back
            self._due_s = time_s + self._period_s
        self._last_s = time_s
        return True
