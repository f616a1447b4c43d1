"""What a frame of a stream lasts: by the steps of its clock, by what is stated, and by arrivals."""

from __future__ import annotations

import statistics
from collections import deque

import numpy as np

from pptsn.runtime.stream.sources.clock import DEFAULT_FPS
from pptsn.runtime.video.clock import are_even

# A step of less than this share of a frame is none.
STEP_SHARE = 1 / 8
# Unless pictures often come as fast, where the source states a rate at which they hardly come.
SHORTEST_FRAME_S, LONGEST_FRAME_S = 1 / 61, 1 / 5
# Where it states none that tells, a step may be as short as that of 240 frames a second.
_SHORTEST_STEP_S = SHORTEST_FRAME_S / 4
# How frames come on the average is known after so long: some servers send in bursts of many seconds.
_AVERAGE_S = 20.0
_MARK_S = 1.0
# What is usual is the median of so many steps; fewer than these tell less than what the source states.
_STEPS, _FEW_STEPS = 31, 4


class FrameStep:
    """How long a frame lasts, in seconds.

    stated_rate: frames a second as the source says, or None.  live: whether arrivals tell of it.
    usual_s: as the clock said lately.  reckoned_s: where the clock is not to be believed.
    """

    def __init__(self, stated_rate: float | None, *, live: bool) -> None:
        self._live = live
        self._stated_s = None if stated_rate is None else 1 / stated_rate
        self._steps: deque[tuple[float, float, int]] = deque(maxlen=_STEPS)  # a step, the time after it, its frame
        self._begin: tuple[float, int] | None = (0.0, 0)  # the time of the first frame, and its number
        self._added = self._arrived = 0
        self._marks: deque[tuple[float, int]] = deque()  # when a frame arrived, and its number, about one a second
        self.usual_s = self._stated_s or 1 / DEFAULT_FPS

    def add(self, step_s: float, time_s: float) -> None:
        """Take a step of the clock to the newest frame, which is at `time_s` of the session."""
        if len(self._steps) == _STEPS:
            self._begin = None
        self._steps.append((step_s, time_s, self._arrived))
        self._added += 1
        few = len(self._steps) < _FEW_STEPS
        if (few and self._stated_s is None) or (not few and self._added % _FEW_STEPS == 0):
            self.usual_s = self._learned()

    def _learned(self) -> float:
        """Return the median step, or the mean: pauses make that longer, frames out of order the other."""
        median_s = statistics.median(step_s for step_s, _, _ in self._steps)
        first_s, first = self._begin or self._steps[0][1:]
        _, last_s, last = self._steps[-1]
        learned_s = min(median_s, (last_s - first_s) / (last - first)) if last > first else median_s
        stated_s = self._stated_s or learned_s
        is_usual = not _is_a_videos(stated_s) and learned_s > SHORTEST_FRAME_S
        is_usual |= STEP_SHARE < learned_s / stated_s < 1 / STEP_SHARE
        return learned_s if is_usual else stated_s

    @property
    def least_step_s(self) -> float:
        """From what on a step of the clock is one, however long frames seem to last."""
        tells = self._stated_s is not None and _is_a_videos(self._stated_s)
        return min(STEP_SHARE * self.usual_s, SHORTEST_FRAME_S if tells else _SHORTEST_STEP_S)

    @property
    def comes_evenly(self) -> bool:
        """Whether frames came at one rate lately."""
        return are_even(np.array([step_s for step_s, _, _ in self._steps]), self.usual_s)

    def forget(self) -> None:
        """Take it that the clock's steps said nothing."""
        self._steps.clear()
        self._begin = None
        self.usual_s = self._stated_s or 1 / DEFAULT_FPS

    def take(self, frame_s: float) -> None:
        """Take it that a frame lasts so long."""
        self.forget()
        self.usual_s = frame_s

    def arrived(self, captured_s: float) -> None:
        """Note that a frame came at `captured_s`."""
        self._arrived += 1
        if self._live and (not self._marks or captured_s - self._marks[-1][0] >= _MARK_S):
            self._marks.append((captured_s, self._arrived))
            while captured_s - self._marks[0][0] > _AVERAGE_S + _MARK_S and len(self._marks) > 2:
                self._marks.popleft()

    @property
    def reckoned_s(self) -> float:
        """What a frame lasts by the average of arrivals; while that is not known, or makes no sense: usually."""
        if len(self._marks) > 1:
            (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
            mean_s = (last_s - first_s) / (last - first)
            if last_s - first_s >= _AVERAGE_S and STEP_SHARE < mean_s / self.usual_s < 1 / STEP_SHARE:
                return mean_s
        return self.usual_s


def _is_a_videos(frame_s: float) -> bool:
    return SHORTEST_FRAME_S / 2 < frame_s < LONGEST_FRAME_S


class CoarseClock:
    """Takes the times of a clock from when it was left.  frames: so many came since."""

    def __init__(self) -> None:
        self.frames = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=_FEW_STEPS)  # after steps ahead: the time, the frame

    def add(self, pts_s: float, *, steps: bool, breaks: bool) -> float | None:
        """Take a frame; return the mean length of one where the clock made some steps, and mostly stood still."""
        self.frames += 1
        if breaks:
            self._marks.clear()
        if not steps:
            return None
        self._marks.append((pts_s, self.frames))
        (first_s, first), count = self._marks[0], len(self._marks)
        is_coarse = count == _FEW_STEPS and self.frames - first > 2 * (count - 1)
        return (pts_s - first_s) / (self.frames - first) if is_coarse else None
