"""How long an engine may take to start in order to be faster afterwards: `--tuning`."""

from __future__ import annotations

from pptsn.runtime.base.errors import UsageError

AUTO, FAST, FULL = "auto", "fast", "full"
TUNINGS = (AUTO, FAST, FULL)
# What full tuning costs for each of two shapes, for people.
TUNING_COST = "5 to 9 s on an H200"
# On that GPU full tuning costs two shapes 14 s, and brings a view of ResNet-50 from 97 to 58 microseconds (10,300
# to 17,300 a second): it is won back after 360,000 views, which is 1,440 clips of 25 x ten-crop.
_WORTH_VIEWS = 360_000


def check_tuning(tuning: str) -> None:
    """Raise UsageError for a tuning that is none of TUNINGS."""
    if tuning not in TUNINGS:
        raise UsageError("--tuning", f"unknown tuning {tuning!r}", f"choose one of {', '.join(TUNINGS)}")


def tuning_for(tuning: str, *, views: float) -> str:
    """Return FAST or FULL: what was asked for, or what is done sooner.

    views: pictures that the network will see, as far as is known; `math.inf` for a run that has no end.
    Raises UsageError for an unknown tuning.
    """
    check_tuning(tuning)
    if tuning != AUTO:
        return tuning
    return FULL if views >= _WORTH_VIEWS else FAST
