"""Whether the times of a file's frames can be believed, and how long they last where not.

The stream's `timeline` goes by the same notions while frames come; here all times are known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Seconds = npt.NDArray[np.float64]

# Frames that are shown in another order than they are stored step back by less, and by fewer frames.
_BACK_S, _BACK_FRAMES = 2.0, 20
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


@dataclass(frozen=True)
class Clock:
    """What is wrong with the times of a file's frames, in words, and "" where nothing is.

    duration_s: how long the frames last by what one of them usually does; None where their times tell.
    """

    trouble: str = ""
    duration_s: float | None = None


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
    back = np.flatnonzero(behind > max(_BACK_S, _BACK_FRAMES * usual_s))
    stretches = [
        part for stretch in np.split(times, _begins(times, usual_s)) for part in _between_jumps(stretch, usual_s)
    ]
    if len(back):
        at = int(back[0])
        return _reckoned(f"steps back by {behind[at]:.3g} s", times[at] - times[0], stretches, usual_s, none_s)
    still = _stands_still(steps < none_s, usual_s)
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
    return Clock(_holes(steps, usual_s))


def _holes(steps: _Seconds, usual_s: float) -> str:
    """Return where frames are missing between others that come at one rate, in words; "" where none are."""
    even = np.abs(steps - usual_s) < _EVEN_WITHIN * usual_s
    if len(steps) < _EVEN_FRAMES or even.mean() < _EVEN_SHARE:
        return ""
    holes = np.flatnonzero(steps > max(_EVEN_HOLE_S, _EVEN_HOLE_FRAMES * usual_s))
    if not len(holes):
        return ""
    first, others = int(holes[0]), len(holes) - 1
    more = f", and {others} more" if others else ""
    lost_s = float((steps[holes] - usual_s).sum())
    where = f"none for {steps[first]:.1f} s after {steps[:first].sum():.1f} s{more}"
    return f"{lost_s:.1f} s of its frames are missing: {where}"


def _usual_s(steps: _Seconds, rate: float | None, none_s: float) -> float:
    """Return how long a frame usually lasts: the median of the steps that are some, or as is stated."""
    some = steps[steps >= none_s]
    if len(some):
        return float(np.median(some))
    return 1 / rate if rate else 0.0


def _begins(times: _Seconds, usual_s: float) -> list[int]:
    """Return at which frames a clock that stepped back began anew."""
    begins: list[int] = []
    latest_s = times[0]
    for number, time_s in enumerate(times):
        if latest_s - time_s > max(_BACK_S, _BACK_FRAMES * usual_s):
            begins.append(number)
            latest_s = time_s
        latest_s = max(latest_s, time_s)
    return begins


def _between_jumps(times: _Seconds, usual_s: float) -> list[_Seconds]:
    """Return the times in the stretches between jumps ahead, each in order."""
    ordered = np.sort(times)
    jumps = np.flatnonzero(np.diff(ordered) > max(_LONGEST_HOLE_S, _HOLE_FRAMES * usual_s))
    return np.split(ordered, jumps + 1)


def _stands_still(is_none: npt.NDArray[np.bool_], usual_s: float) -> int | None:
    """Return the first of the steps from which on the clock stands still for a while, or None."""
    enough = max(_STILL_FRAMES, round(_STILL_S / usual_s)) if usual_s else _STILL_FRAMES
    in_a_row = 0
    for number, none in enumerate(is_none.tolist()):
        in_a_row = in_a_row + 1 if none else 0
        if in_a_row >= enough:
            return number + 1 - enough
    return None


def _reckoned(what: str, after_s: float, stretches: Sequence[_Seconds], usual_s: float, none_s: float) -> Clock:
    """Return the trouble with how long the frames last, each step that is none taken for a usual one."""
    duration_s = 0.0
    for stretch in stretches:
        steps = np.diff(stretch)
        duration_s += float(np.where(steps < none_s, usual_s, steps).sum()) + usual_s
    rate = f", {1 / usual_s:.3g} a second" if usual_s else ""
    return Clock(
        f"its clock {what} after {after_s:.1f} s, its duration is reckoned by its frames{rate}", duration_s
    )
