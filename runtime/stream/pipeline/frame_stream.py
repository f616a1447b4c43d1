"""A stream whose frames the program hands over itself: predictions by the windows of a pipeline's streams."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import ClosedError, InputError, ModelError, UsageError
from pptsn.runtime.base.options import check_flag, check_text, is_number
from pptsn.runtime.classify.batching import CHECK_MODEL, NOT_FINITE, CropBatcher
from pptsn.runtime.decoding.given import (
    Frames,
    Pictures,
    backwards,
    checked_picture,
    each_picture,
    no_time,
    pictures_of,
)
from pptsn.runtime.decoding.given_reader import resized_in_rgb
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.grid import TimeGrid
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.analysis import InferredFrame
from pptsn.runtime.stream.actions.messages import StreamPrediction
from pptsn.runtime.stream.actions.thresholds import EventSettings
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.windows import analysis_of

_NONE_LEFT = object()
# More frames of one time are no burst: what tells the times stands still, and no further prediction would come.
_MOST_AT_ONCE = 100
_FOR_FILES = "files are for classify, or for pptsn stream"


class FrameStream(Closing):
    """Predictions for frames as a program has them, one by one; made by `Recognizer.stream`.

        with recognizer.stream(window_s=2, segments=4) as stream:
            for frame, time_s in camera:
                prediction = stream.push(frame, time_s)
                if prediction is not None:
                    print(prediction.time_s, prediction.top(1))

    A context manager; not for several threads at once.  Each sampled frame is inferred when it is pushed; others
    cost next to nothing.

    settings: what they leave open, the model says.  smoothing_s: as EventSettings has it, or None for its default.
    fps: tells the times of frames that come without.  bgr: as Frames has it.  name: what predictions and errors
    call the stream.
    Raises UsageError for what makes no sense, and where settings do not fit what the model says.
    """

    def __init__(
        self,
        engine: Engine,
        settings: StreamSettings,
        *,
        smoothing_s: float | None = None,
        fps: float | None = None,
        bgr: bool = False,
        name: str = "stream",
    ) -> None:
        check_text(name, "name")
        check_flag(bgr, "bgr")
        if fps is not None and not (is_number(fps) and 0 < fps < math.inf):
            raise UsageError("fps", f"expected frames a second, got {fps!r}", "leave it out for what happens now")
        spec = engine.spec
        self._settings = settings.for_model(spec)
        self._name, self._bgr, self._fps = name, bgr, fps
        events = EventSettings() if smoothing_s is None else EventSettings(smoothing_s=smoothing_s)
        rules = events.rules(spec.labels)
        self._analysis = analysis_of(name, spec, self._settings, rules)
        self._resize = partial(resize_frame, short_side=spec.short_side, rule=spec.resize_rule)
        self._batcher = CropBatcher(engine, views=self._settings.protocol.views)
        self._is_closed = False
        self._count = 0
        self._session = -1
        self.reset()

    def push(self, frame: npt.NDArray[Any], time_s: float | None = None) -> StreamPrediction | None:
        """Take the next frame; return a prediction where one is due, as `every_s` says, or None.

        frame: an array (H, W, 3) uint8, RGB or as `bgr` says; what was said of frames at Frames holds here.
        time_s: when it was, in seconds on whatever clock, never less than the frame before.  None goes by `fps`;
            without that, the frame happens now.
        Raises InputError for a frame or a time that cannot be used, and ModelError where its logits are no finite
        numbers, and goes on with the next one; ValueError once the stream, or its recognizer, is closed.
        """
        return self._take(frame, time_s)

    def predictions(self, frames: Pictures, times_s: Iterable[float] | None = None) -> Iterator[StreamPrediction]:
        """Push each of `frames` when the one before has been dealt with; yield the predictions.

        frames: an array (T, H, W, 3), or an iterable of what `push` takes, which need not end.
        times_s: of each frame, as `push` has them; there may be more of them than frames.
        Raises InputError as `push` does, and where the iterable raises.
        """
        given = Frames(frames, name=self._name)
        pictures = each_picture(self._name, pictures_of(given, remedy=_FOR_FILES), first=self._count)
        if times_s is not None and not isinstance(times_s, Iterable):
            raise UsageError("times_s", f"expected the seconds of each frame, got {times_s!r}")
        times = repeat(None) if times_s is None else chain(times_s, repeat(_NONE_LEFT))
        for picture, time_s in zip(pictures, times, strict=False):
            if time_s is _NONE_LEFT:
                raise InputError(self._name, f"has no time for frame {self._count}", "give each a time, or none")
            prediction = self._take(picture, time_s)
            if prediction is not None:
                yield prediction

    def reset(self) -> None:
        """Begin anew: the next frame has nothing to do with those before, and its time may be any."""
        self._session += 1
        self._grid = TimeGrid(self._settings.step_s, max_gap_s=self._settings.max_gap_s)
        self._times = _Times(self._name, self._fps, first=self._count)

    def close(self) -> None:
        """Give the engine's memory back."""
        self._is_closed = True
        self._batcher.close()

    def _take(self, frame: object, time_s: object) -> StreamPrediction | None:
        if self._is_closed:
            raise ClosedError(self._name, "the stream is closed", "make another one by Recognizer.stream")
        captured_s = time.monotonic()
        index, self._count = self._count, self._count + 1
        picture = checked_picture(self._name, index, frame)
        at_s = self._times.of(index, time_s, now_s=captured_s)
        height, width = picture.shape[:2]
        slot = self._grid.slot_of(at_s, size=(width, height))
        if slot is None:
            return None
        pixels = resized_in_rgb(picture, self._resize, name=self._name, index=index, bgr=self._bgr)
        resized_s = time.monotonic()
        stamp = FrameStamp(
            self._name, self._session, slot.epoch, slot.slot, at_s, time.time(), captured_s, resized_s
        )
        return self._analysis.add(self._inferred(index, pixels, stamp)).prediction

    def _inferred(self, index: int, pixels: Frame, stamp: FrameStamp) -> InferredFrame:
        queued_s = time.monotonic()
        self._batcher.add(index, pixels, 1)
        self._batcher.flush()
        gathered = self._batcher.take(index)
        if gathered is None or not gathered.is_finite:
            raise ModelError(f"{self._name}, frame {index}", NOT_FINITE, CHECK_MODEL)
        return InferredFrame(stamp, gathered.total / gathered.weight, queued_s, time.monotonic())


class _Times:
    """When the frames of a stream are: as is said of each, by their number, or as they come.

    first: the number of the first of them.
    """

    def __init__(self, name: str, fps: float | None, *, first: int) -> None:
        self._name, self._fps, self._first = name, fps, first
        self._began_s: float | None = None
        self._last_s = -math.inf
        self._at_once = 0
        self._are_given: bool | None = None

    def of(self, index: int, given: object, *, now_s: float) -> float:
        """Return the seconds of frame `index`, never less than those before, or raise InputError.

        given: what was said, or None.  now_s: when it came, by a clock that does not step back.
        """
        if self._are_given is not None and self._are_given != (given is not None):
            cause = f"frame {index} has {'no' if given is None else 'a'} time, unlike those before"
            raise InputError(self._name, cause, "give each a time, or none")
        time_s = self._reckoned(index, now_s) if given is None else _seconds(self._name, index, given)
        if time_s < self._last_s:
            remedy = "call reset() where another video begins, or give no times"
            raise backwards(self._name, index, self._last_s, time_s, remedy)
        self._at_once = self._at_once + 1 if time_s == self._last_s else 1
        if self._at_once > _MOST_AT_ONCE:
            cause = f"{self._at_once} frames in a row, up to frame {index}, have the time {time_s:g} s"
            raise InputError(self._name, cause, "give each its own, or fps, or no times")
        self._are_given, self._last_s = given is not None, time_s
        return time_s

    def _reckoned(self, index: int, now_s: float) -> float:
        if self._fps is not None:
            return (index - self._first) / self._fps
        if self._began_s is None:
            self._began_s = now_s
        return now_s - self._began_s


def _seconds(name: str, index: int, given: object) -> float:
    try:
        time_s = float(given)  # type: ignore[arg-type]  # whatever a program may have
    except (TypeError, ValueError, OverflowError):
        raise no_time(name, index, repr(given)) from None
    if not math.isfinite(time_s):
        raise no_time(name, index, time_s)
    return time_s
