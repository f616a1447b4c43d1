"""Sampling frames that a program has, as a file is sampled: those that the rule chooses, each resized once."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.decoding.given import (
    Frames,
    Seconds,
    checked_picture,
    checked_times,
    each_picture,
    failing_at,
    pictures_of,
)
from pptsn.runtime.video import Choose, Pixels, Transform, VideoFrame
from pptsn.runtime.video.clock import Clock, examine
from pptsn.runtime.video.damage import Damage
from pptsn.runtime.video.faults import check_stop, input_errors_only
from pptsn.runtime.video.names import SIZE_CHANGES, number_of

# What the resized frames of an iterable may take until its end shows how many there are: 1,000 of 341 x 256.
_MOST_BYTES = 256_000_000


class FramesReader(Closing):
    """Frames of a program, read as those of a file; has what classifying needs of FrameSource, which documents it.

    Raises InputError for an array of another kind, for times that are none, and where their numbers differ.
    """

    def __init__(self, given: Frames) -> None:
        self._given = given
        self._pictures = pictures_of(given)
        self._times = checked_times(given)
        self._clock = Clock() if self._times is None else examine(self._times.tolist(), rate=None)
        self._sizes: set[tuple[int, ...]] = set()
        self._kept = _Thinned(_MOST_BYTES)
        self._count = self._off = 0
        if isinstance(self._pictures, (np.ndarray, Sequence)):
            with failing_at(given.name, 0):
                count = len(self._pictures)
            self._take_count(count)

    @property
    def lost_frames(self) -> int:
        """Return 0: there is nothing to decode."""
        return 0

    @property
    def damage(self) -> Damage:
        """Return that none is known."""
        return Damage()

    @property
    def warnings(self) -> list[str]:
        """What is odd about the frames though they can be used, as far as known; one phrase each."""
        warnings = {
            SIZE_CHANGES: len(self._sizes) > 1,
            self._others: self._others,
            self._clock.trouble: self._clock.trouble,
        }
        return [warning for warning, met in warnings.items() if met]

    @property
    def _others(self) -> str:
        """That others than the chosen frames were looked at, in words; "" where none was."""
        if not self._off:
            return ""
        return (
            f"its {self._count} frames take more than {_MOST_BYTES // 1_000_000} MB: one in {self._kept.step} was "
            f"kept, those looked at are up to {number_of(self._off, 'frame')} from those chosen; a list or an "
            "array gives these"
        )

    def frame_count(self) -> int:
        """Return how many frames there are; of an iterable, once it was sampled."""
        return self._count

    def duration_s(self) -> float | None:
        """Return the seconds from the first frame to the end of the last, or None where they have no times."""
        if self._times is None or not self._clock.is_known:
            return None
        return self._clock.duration_s or _duration_s(self._times)

    def sampled(
        self, choose: Choose, *, transform: Transform, stop: threading.Event | None = None
    ) -> Iterator[VideoFrame]:
        """Yield the frames at `choose(frame_count)`, in their order, each once."""
        if isinstance(self._pictures, (np.ndarray, Sequence)):
            for index in sorted(set(choose(self.frame_count()))):
                with failing_at(self._given.name, index):
                    picture = self._pictures[index]
                yield self._frame(self._transformed(index, picture, transform, stop), index)
        else:
            self._keep(self._pictures, transform, stop)
            for index in sorted(set(choose(self.frame_count()))):
                at, pixels = self._kept.nearest(index)
                self._off = max(self._off, abs(index - at))
                yield self._frame(pixels, index)

    def close(self) -> None:
        """Forget the frames that were kept."""
        self._kept.clear()

    def _keep(self, pictures: Iterable[object], transform: Transform, stop: threading.Event | None) -> None:
        """Take an iterable's frames to its end, and their number."""
        count = 0
        for picture in each_picture(self._given.name, pictures):
            if self._kept.wants(count):
                self._kept.add(self._transformed(count, picture, transform, stop))
            count += 1
        self._take_count(count)

    def _take_count(self, count: int) -> None:
        """Note how many frames there are; raise InputError where there is none, or another number of times."""
        self._count = count
        if not count:
            raise InputError(self._given.name, "holds no frame", "give one at least; an iterator gives them once")
        if self._times is not None and len(self._times) != count:
            cause = f"has {number_of(count, 'frame')} and {number_of(len(self._times), 'time')}"
            raise InputError(self._given.name, cause, "give a time for each frame, or none")

    def _transformed(
        self, index: int, picture: object, transform: Transform, stop: threading.Event | None
    ) -> Pixels:
        """Return a frame checked, resized, in RGB, in memory of its own."""
        with input_errors_only(self._given.name):
            check_stop(stop)
        frame = checked_picture(self._given.name, index, picture)
        self._sizes.add(frame.shape)
        return resized_in_rgb(frame, transform, name=self._given.name, index=index, bgr=self._given.bgr)

    def _frame(self, pixels: Pixels, index: int) -> VideoFrame:
        time_s = None if self._times is None else float(self._times[index])
        return VideoFrame(pixels, index, time_s, self._given.name)


def resized_in_rgb(frame: Pixels, transform: Transform, *, name: str, index: int, bgr: bool) -> Pixels:
    """Return a frame (H, W, 3) uint8 resized, in RGB, in memory of its own; it is not changed.

    name, index: of the clip and the frame, for the InputError where it cannot be resized.  bgr: as Frames has it.
    """
    with input_errors_only(name, f"frame {index} cannot be resized", ""):
        pixels = transform(frame)
    if bgr:
        return np.ascontiguousarray(pixels[..., ::-1])
    return pixels.copy() if pixels is frame else pixels


class _Thinned:
    """Evenly spaced frames of a number that shows at the end: all, as long as they take no more than `most_bytes`.

    Then every second, every fourth, and so on: one in `step`, from the first on.
    """

    def __init__(self, most_bytes: int) -> None:
        self.step = 1
        self._most_bytes, self._bytes = most_bytes, 0
        self._frames: list[Pixels] = []

    def wants(self, index: int) -> bool:
        """Whether frame `index`, the next one, is among those to be kept."""
        return index % self.step == 0

    def add(self, pixels: Pixels) -> None:
        """Keep the next one of those that are wanted."""
        self._frames.append(pixels)
        self._bytes += pixels.nbytes
        while self._bytes > self._most_bytes and len(self._frames) > 1:
            self._frames = self._frames[::2]
            self._bytes = sum(frame.nbytes for frame in self._frames)
            self.step *= 2

    def nearest(self, index: int) -> tuple[int, Pixels]:
        """Return the number of the kept frame that is nearest to frame `index`, and its pixels."""
        place = min((index + self.step // 2) // self.step, len(self._frames) - 1)
        return place * self.step, self._frames[place]

    def clear(self) -> None:
        self._frames.clear()


def _duration_s(times: Seconds) -> float | None:
    """Return how long the frames last, the last as long as one of them usually does; None for a single one."""
    steps = np.diff(times)
    if not steps.any():
        return None
    return float(times[-1] - times[0] + statistics.median(steps[steps > 0].tolist()))
