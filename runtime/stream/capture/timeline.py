"""The time of a session: the source's clock, as far as it can be believed.

A clock is believed within limits, as cameras, muxers and networks get it wrong.  Otherwise time is reckoned by
what a frame lasts: as the clock said while it was believed, or as the codec or the container states, or for a live
source as frames came over more than a moment.

====================================  =============================================================================
the clock                             what follows
====================================  =============================================================================
goes on, at whatever steps            it is believed; a hole in a file is as long as it says, up to half a day
steps back by less than half a        time pauses: pictures that were put in the wrong order
second
steps back further, for a moment      reckoning: timestamps are shuffled
jumps: back by two seconds, or ahead  a new stretch, where the last one ended; if it soon jumps again: reckoning
of the time that passes by as much
stands still, or all but              reckoning; if it steps on now and then, by its mean
of a live source, has another pace    reckoning: two witnesses against one.  Where another of the three stands
than its frames, which come as fast   alone, the clock is believed: cameras send fewer frames than they state, and
as their codec states                 servers send in bursts
====================================  =============================================================================

Reckoning ends when the clock has made so many steps ahead in a row as if nothing had been.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from pptsn.runtime.stream.capture.frame_step import (
    LONGEST_FRAME_S,
    SHORTEST_FRAME_S,
    STEP_SHARE,
    CoarseClock,
    FrameStep,
)
from pptsn.runtime.video.clock import hole_from_s

# Pictures that some files put in the wrong order step back by less than this.
SMALL_STEP_S = 0.5
# Timestamps that are shuffled within a group of pictures step back by less; what goes further has jumped.
_SHUFFLED_S = 2.0
# A live source whose timestamps run ahead of the time that passes by more than this has jumped, not paused.
_LIVE_TOLERANCE_S = 2.0
# Unless that is how rarely its frames come: a burst of them arrives at once.
_SLOW_FRAMES = 2
# The longest hole in a file.  The clock of MPEG-TS starts again after 26.5 hours, so that a step back there looks
# like one ahead by what is left of them.
_LONGEST_HOLE_S = 43_200.0
# So many frames, and so many seconds of them, without a step, and the clock stands still.
_STILL_FRAMES, _STILL_S = 3, 0.25
# A clock that is ahead of its frames by more is not waited for any longer.
_AHEAD_S = 1.0
# So many frames after a jump another one is one too many; so many steps in a row, and the clock is believed again.
_ORDERLY_FRAMES = 16
# What is alike: within a quarter.  What is not: by more than half as much again.
_ALIKE, _UNLIKE = 1.25, 1.5
# The pace of frames and clock is compared over this time, and at least so many frames.
_PACE_S, _PACE_FRAMES = 1.0, 8
# Each trouble is told at most this often.
_TELL_EVERY_S = 10.0


class Timeline:
    """Maps the timestamps of one session to seconds from its first frame, never decreasing.  See the module.

    live: whether the source happens now, so that arrivals tell the time as well.
    frame_rate: as the source states it, or None.  coded_rate: as its codec does, whatever the timestamps, or None.
    max_gap_s: holes that are longer are told elsewhere.

    jumps: times that the clock jumped so far; jump: the last one in words.
    """

    def __init__(
        self,
        *,
        live: bool,
        frame_rate: float | None = None,
        coded_rate: float | None = None,
        max_gap_s: float = 0.0,
    ) -> None:
        self._live = live
        self._max_gap_s = max_gap_s
        self._frame = FrameStep(coded_rate or frame_rate, live=live)
        self._pace = _Pace(1 / coded_rate) if live and coded_rate else None
        self._last_pts_s: float | None = None
        self._last_captured_s = 0.0
        self._base_s = 0.0  # what the clock shows at the beginning of the session
        self._time_s = 0.0
        self._behind_s = 0.0  # how far the clock is behind its frames, below 0: ahead
        self._reckoned_s: float | None = None  # None while the clock is believed
        self._left_s, self._coarse = 0.0, CoarseClock()  # since the clock was left
        self._wrong_pace = False
        self._orderly = _ORDERLY_FRAMES  # frames since the clock jumped; while reckoning, steps ahead in a row
        self._told_s: dict[str, float] = {}
        self._notes: list[str] = []
        self.jumps = 0
        self.jump = ""

    def at(self, pts_s: float, captured_s: float) -> float:
        """Return the time of the frame with timestamp `pts_s` that came at `captured_s` (`time.monotonic`)."""
        if self._last_pts_s is None:
            self._base_s = pts_s
        else:
            step_s, passed_s = pts_s - self._last_pts_s, captured_s - self._last_captured_s
            jumps = self._is_jump(step_s, passed_s)
            if self._reckoned_s is not None:
                steps = not jumps and self._is_step(step_s)
                self._look_for_a_coarse_clock(pts_s, steps=steps, breaks=jumps or step_s < 0)
                self._reckon(self._reckoned_s, pts_s, steps=steps)
            elif jumps:
                self._begin_anew(pts_s, step_s, passed_s)
            else:
                self._follow(pts_s, step_s)
        self._last_pts_s, self._last_captured_s = pts_s, captured_s
        self._frame.arrived(captured_s)
        self._compare_pace(pts_s, captured_s)
        return self._time_s

    def notes(self) -> list[str]:
        """Return what there is to tell of the clock since the last call, a line each."""
        notes, self._notes = self._notes, []
        return notes

    def _is_jump(self, step_s: float, passed_s: float) -> bool:
        if step_s < 0:
            return step_s <= -_SHUFFLED_S
        if not self._live:
            return step_s > _LONGEST_HOLE_S
        return step_s - passed_s > max(_LIVE_TOLERANCE_S, _SLOW_FRAMES * self._frame.usual_s)

    def _is_step(self, step_s: float) -> bool:
        return step_s >= self._frame.least_step_s

    # While the clock is believed

    def _follow(self, pts_s: float, step_s: float) -> None:
        frame_s = self._frame.usual_s
        advance_s = pts_s - self._base_s - self._time_s
        self._orderly += 1
        if advance_s <= -SMALL_STEP_S:
            self._leave("order", "the source's timestamps are out of order", self._behind_s + frame_s)
        elif self._is_step(advance_s):
            self._time_s += advance_s
            self._tell_hole(step_s)
            self._frame.add(step_s, self._time_s)
            # What it was ahead is forgotten little by little.
            left_s = min(0.0, self._behind_s) + (1 + STEP_SHARE) * frame_s - advance_s
            self._behind_s = max(-_AHEAD_S, min(0.0, left_s))
        else:
            self._time_s += max(0.0, advance_s)
            self._behind_s += frame_s
            if self._behind_s > max(_STILL_S, (_STILL_FRAMES - 0.5) * frame_s):
                self._leave("still", "the source's clock stands still", self._behind_s)

    def _tell_hole(self, step_s: float) -> None:
        if hole_from_s(self._frame.usual_s) < step_s <= self._max_gap_s and self._frame.comes_evenly:
            self._tell("hole", f"no frame for {in_seconds(step_s)}")

    def _begin_anew(self, pts_s: float, step_s: float, passed_s: float) -> None:
        """Begin a new stretch of the clock, which jumped, where the last one ended."""
        lasted_s = max(passed_s if self._live else 0.0, self._frame.usual_s)
        self.jumps += 1
        self.jump = f"the source's clock jumped {'back' if step_s < 0 else 'ahead'} by {in_seconds(abs(step_s))}"
        self._base_s = pts_s - self._time_s - lasted_s
        self._behind_s = 0.0
        self._restart_pace()
        if self._orderly < _ORDERLY_FRAMES:
            self._leave("jumps", "the source's clock jumps again and again", lasted_s)
        self._orderly = 0
        self._time_s = pts_s - self._base_s

    def _leave(self, trouble: str, text: str, behind_s: float) -> None:
        """Go on by reckoning, `behind_s` from here; below 0, time waits until it has caught up."""
        self._left_s, self._coarse = self._time_s, CoarseClock()
        self._reckoned_s = self._time_s + max(-_AHEAD_S, behind_s)
        self._time_s = max(self._time_s, self._reckoned_s)
        self._orderly, self._behind_s = 0, 0.0
        self._tell(trouble, f"{text}; going by its frames, {1 / self._frame.reckoned_s:.3g} a second")

    # While it is not

    def _reckon(self, reckoned_s: float, pts_s: float, *, steps: bool) -> None:
        self._reckoned_s = reckoned_s + self._frame.reckoned_s
        self._time_s = max(self._time_s, self._reckoned_s)
        self._orderly = self._orderly + 1 if steps else 0
        if self._orderly >= _ORDERLY_FRAMES and not self._wrong_pace:
            self._believe(pts_s)

    def _look_for_a_coarse_clock(self, pts_s: float, *, steps: bool, breaks: bool) -> None:
        """Go by the mean of a clock that stands still for some frames and steps on, from when it was left."""
        found_s = self._coarse.add(pts_s, steps=steps, breaks=breaks)
        if found_s is None or self._wrong_pace or self._reckoned_s is None:
            return
        frame_s = self._frame.usual_s
        if SHORTEST_FRAME_S < found_s < max(LONGEST_FRAME_S, frame_s) and _ratio(found_s, frame_s) > _ALIKE:
            self._frame.take(found_s)
            self._reckoned_s = self._left_s + self._coarse.frames * found_s

    def _believe(self, pts_s: float) -> None:
        """Follow the clock again: as it was before, where it is not far ahead of the time, or from here."""
        if not 0 <= pts_s - self._base_s - self._time_s < SMALL_STEP_S:
            self._base_s = pts_s - self._time_s
        self._reckoned_s, self._wrong_pace = None, False
        self._time_s = pts_s - self._base_s
        self._restart_pace()
        self._tell("believed", "the source's clock is followed again")

    def _compare_pace(self, pts_s: float, captured_s: float) -> None:
        """Notice that the clock keeps a pace that neither arrivals nor the codec know of, or no longer does."""
        found = None if self._pace is None else self._pace.add(pts_s, captured_s)
        if found is None:
            return
        if self._wrong_pace and found.is_believed:
            self._believe(pts_s)
        elif self._reckoned_s is None and found.is_outvoted:
            self._wrong_pace = True
            self._frame.forget()
            text = f"the source's clock runs at {found.clock_s / found.arrival_s:.2g} times the pace of its frames"
            self._leave("pace", text, (found.arrival_s - found.clock_s) * found.frames)

    def _restart_pace(self) -> None:
        if self._pace is not None:
            self._pace.restart()

    def _tell(self, trouble: str, text: str) -> None:
        last_s = self._told_s.get(trouble)
        if last_s is None or self._last_captured_s - last_s >= _TELL_EVERY_S:
            self._told_s[trouble] = self._last_captured_s
            self._notes.append(text)


@dataclass(frozen=True)
class _Found:
    """What a frame lasts by each of three witnesses, over `frames` frames.

    clock_s, median_s: by the clock, which may have had a pause.
    """

    frames: int
    clock_s: float
    median_s: float
    arrival_s: float
    coded_s: float

    @property
    def is_believed(self) -> bool:
        """Whether the clock agrees with one of the others."""
        return self._unlikeness < _ALIKE

    @property
    def is_outvoted(self) -> bool:
        """Whether the others agree with each other, and not with the clock."""
        return _ratio(self.arrival_s, self.coded_s) < _ALIKE and self._unlikeness > _UNLIKE

    @property
    def _unlikeness(self) -> float:
        clocks, others = (self.clock_s, self.median_s), (self.arrival_s, self.coded_s)
        return min(_ratio(clock_s, other_s) for clock_s in clocks for other_s in others)


class _Pace:
    """Compares the pace of a clock with that of arrivals and that of the codec, `coded_s` a frame."""

    def __init__(self, coded_s: float) -> None:
        self._coded_s = coded_s
        self.restart()

    def restart(self) -> None:
        """Compare from the next frame on."""
        self._first: tuple[float, float] | None = None
        self._newest_s = 0.0
        self._steps: list[float] = []

    def add(self, pts_s: float, captured_s: float) -> _Found | None:
        """Take a frame; return what was found where that was long enough."""
        if self._first is None:
            self._first, self._newest_s = (pts_s, captured_s), pts_s
            return None
        step_s = max(0.0, pts_s - self._newest_s)
        self._newest_s += step_s
        self._steps.append(step_s)
        frames = len(self._steps)
        clock_s, arrival_s = self._newest_s - self._first[0], captured_s - self._first[1]
        if arrival_s < _PACE_S or frames < _PACE_FRAMES:
            return None
        median_s = statistics.median(self._steps)
        self._first, self._steps = (self._newest_s, captured_s), []
        return _Found(frames, clock_s / frames, median_s, arrival_s / frames, self._coded_s)


def in_seconds(span_s: float) -> str:
    """Return `span_s` for people: `3600 s`, `12.3 s`."""
    return f"{span_s:.0f} s" if span_s >= 100 else f"{span_s:.3g} s"


def _ratio(one_s: float, other_s: float) -> float:
    """Return how many times the longer of two lasts as long as the shorter; infinity where one is none."""
    short_s, long_s = sorted((one_s, other_s))
    return long_s / short_s if short_s > 0 else float("inf")
