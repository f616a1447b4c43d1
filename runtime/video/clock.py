"""Whether the times of a file's frames can be believed, and how long they last where not.

The stream's `timeline` goes by the same notions while frames come; here all times are known beforehand.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Seconds = npt.NDArray[np.float64]

# Frames that are shown in another order than they are stored step back by less, and by fewer frames.
_BACK_S, _BACK_FRAMES = 2.0, 20
# One that is so many places away from where its time belongs is not merely reordered; where more than one frame in
# so many steps back that far, the times say nothing of how long all last.
_ASTRAY_PLACES, _FRAMES_A_STEP_BACK = 20, 20
# A hole that is longer than this, and than so many frames usually last, is worth a word.
_HOLE_S, _HOLE_FRAMES = 10.0, 20
# Where so large a share of the frames come one after the other at one rate, a shorter hole is a loss as well.
_EVEN_SHARE, _EVEN_FRAMES, _EVEN_WITHIN = 0.95, 20, 0.5
_EVEN_HOLE_S, _EVEN_HOLE_FRAMES = 0.5, 5
# No hole is longer: the clock jumped.
_LONGEST_HOLE_S = 43_200.0
# A step of less than this, and than this share of a frame as it is stated, is none; so many in a row, and for so
# long, and the clock stands still.
_STEP_SHARE, _NO_STEP_S = 1 / 8, 0.00101
_STILL_FRAMES, _STILL_S = 3, 0.25
# Unless the next step makes up for this share of them: such a clock is coarse, or came late.
_MADE_UP_FOR = 0.5


@dataclass(frozen=True)
class Clock:
    """What is wrong with the times of a file's frames, in words, and "" where nothing is.

    duration_s: how long the frames last by what one of them usually does; None where their times tell, or nothing.
    is_known: whether their times or anything else tell how long they last.
    """

    trouble: str = ""
    duration_s: float | None = None
    is_known: bool = True


def examine(times_s: Sequence[float], *, rate: float | None) -> Clock:
    """Return what is to be said of the presentation times of the frames of a file, in the order of the file.

    rate: frames a second as the file states them, or None.
    """
    if len(times_s) < 2:
        return Clock()
    times = np.asarray(times_s, np.float64)
    steps = np.diff(np.sort(times))
    none_s = min(_NO_STEP_S, _STEP_SHARE / rate) if rate else _NO_STEP_S
    usual_s = _usual_s(steps, rate, none_s)
    behind = np.maximum.accumulate(times)[:-1] - times[1:]
    astray = np.arange(len(times)) - _places(times) > _ASTRAY_PLACES
    if rate and astray.any():
        usual_s = 1 / rate
    limit_s = _BACK_FRAMES * usual_s if astray.any() else max(_BACK_S, _BACK_FRAMES * usual_s)
    back = np.flatnonzero((behind > limit_s) | astray[1:])
    begins = _begins(times, limit_s)
    if len(begins) > len(times) / _FRAMES_A_STEP_BACK:
        return _shuffled(times, int(back[0]), usual_s)
    stretches = [part for stretch in np.split(times, begins) for part in _between_jumps(stretch, usual_s)]
    if len(back):
        at = int(back[0])
        after_s = times[: at + 1].max() - times[0]
        return _reckoned(f"steps back by {behind[at]:.3g} s", after_s, stretches, usual_s, none_s)
    still = _stands_still(steps, none_s, usual_s)
    if still is not None:
        return _reckoned("stands still", float(steps[:still].sum()), stretches, usual_s, none_s)
    hole = int(steps.argmax())
    if steps[hole] > max(_HOLE_S, _HOLE_FRAMES * usual_s):
        after_s = float(steps[:hole].sum())
        if steps[hole] > max(_LONGEST_HOLE_S, _HOLE_FRAMES * usual_s):
            what = f"jumps ahead by {steps[hole]:.3g} s"
            return _reckoned(what, after_s, stretches, usual_s, none_s)
        return Clock(
            f"its clock jumps ahead by {steps[hole]:.0f} s after {after_s:.1f} s, which its duration counts"
        )
    return Clock(_holes(steps, usual_s, none_s))


def _places(times: _Seconds) -> npt.NDArray[np.int64]:
    """Return the place of each time among all of them in order."""
    places = np.empty(len(times), np.int64)
    places[np.argsort(times, kind="stable")] = np.arange(len(times))
    return places


def _holes(steps: _Seconds, usual_s: float, none_s: float) -> str:
    """Return where frames are missing between others that come at one rate, in words; "" where none are."""
    if not are_even(steps, usual_s):
        return ""
    makes_up = np.append(False, steps[:-1] < none_s)
    holes = np.flatnonzero((steps > hole_from_s(usual_s)) & ~makes_up)
    if not len(holes):
        return ""
    first, others = int(holes[0]), len(holes) - 1
    more = f", and {others} more" if others else ""
    lost_s = float((steps[holes] - usual_s).sum())
    where = f"none for {steps[first]:.1f} s after {steps[:first].sum():.1f} s{more}"
    return f"{lost_s:.1f} s of its frames are missing: {where}"


def are_even(steps: _Seconds, usual_s: float) -> bool:
    """Return whether frames come at one rate, so that a hole among them is a loss."""
    even = np.abs(steps - usual_s) < _EVEN_WITHIN * usual_s
    return len(steps) >= _EVEN_FRAMES and bool(even.mean() >= _EVEN_SHARE)


def hole_from_s(usual_s: float) -> float:
    """Return which step is a hole among frames that come every `usual_s`."""
    return max(_EVEN_HOLE_S, _EVEN_HOLE_FRAMES * usual_s)


def _usual_s(steps: _Seconds, rate: float | None, none_s: float) -> float:
    """Return how long a frame usually lasts: the median of the steps that are some, or as is stated.

    A step is for those before it as well that are none.
    """
    some = np.flatnonzero(steps >= none_s)
    if len(some):
        # NumPy's own median imports its masked arrays, 15 ms of a start.
        return float(statistics.median((steps[some] / np.diff(some, prepend=-1)).tolist()))
    return 1 / rate if rate else 0.0


def _begins(times: _Seconds, limit_s: float) -> list[int]:
    """Return at which frames a clock that stepped back by more than `limit_s` began anew."""
    begins: list[int] = []
    latest_s = times[0]
    for number, time_s in enumerate(times):
        if latest_s - time_s > limit_s:
            begins.append(number)
            latest_s = time_s
        latest_s = max(latest_s, time_s)
    return begins


def _between_jumps(times: _Seconds, usual_s: float) -> list[_Seconds]:
    """Return the times in the stretches between jumps ahead, each in order."""
    ordered = np.sort(times)
    jumps = np.flatnonzero(np.diff(ordered) > max(_LONGEST_HOLE_S, _HOLE_FRAMES * usual_s))
    return np.split(ordered, jumps + 1)


def _runs(steps: _Seconds, none_s: float, usual_s: float) -> Iterator[tuple[int, int, bool]]:
    """Yield where the runs of steps that are none begin and end, and whether the next step makes up for it."""
    ends = np.flatnonzero(np.append(steps >= none_s, True))
    begins = np.append(0, ends[:-1] + 1)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        step_s = steps[end] if end < len(steps) else 0.0
        yield begin, end, bool(step_s > _MADE_UP_FOR * (end - begin + 1) * usual_s)


def _stands_still(steps: _Seconds, none_s: float, usual_s: float) -> int | None:
    """Return the first of the steps from which on the clock stands still for a while, or None."""
    enough = max(_STILL_FRAMES, round(_STILL_S / usual_s)) if usual_s else _STILL_FRAMES
    coarse = 0  # a clock that is coarse is so at the end as well, where nothing follows
    for begin, end, made_up in _runs(steps, none_s, usual_s):
        if made_up:
            coarse = max(coarse, end - begin)
        elif end - begin >= enough and not (end == len(steps) and end - begin <= coarse):
            return begin
    return None


def _shuffled(times: _Seconds, at: int, usual_s: float) -> Clock:
    """Return the trouble with times of which many step back."""
    after_s = float(times[: at + 1].max() - times[0])
    usual_s = usual_s if usual_s < _HOLE_S else 0.0
    return _by_frames("is out of order", after_s, len(times) * usual_s, usual_s)


def _reckoned(what: str, after_s: float, stretches: Sequence[_Seconds], usual_s: float, none_s: float) -> Clock:
    """Return the trouble with how long the frames last; a step that is none, and not made up for, is usual."""
    duration_s = 0.0
    for stretch in stretches:
        steps = np.diff(stretch)
        lost = sum(end - begin for begin, end, made_up in _runs(steps, none_s, usual_s) if not made_up)
        duration_s += float(steps.sum()) + (lost + 1) * usual_s
    return _by_frames(what, after_s, duration_s, usual_s)


def _by_frames(what: str, after_s: float, duration_s: float, usual_s: float) -> Clock:
    begin = f"its clock {what} after {after_s:.1f} s"
    if not usual_s:
        return Clock(f"{begin}, and nothing tells how long its frames last", is_known=False)
    return Clock(f"{begin}, its duration is reckoned by its frames, {1 / usual_s:.3g} a second", duration_s)
