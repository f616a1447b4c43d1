"""How long an engine may take to start in order to be faster afterwards: `--tuning`."""

from __future__ import annotations

from pptsn.runtime.base.errors import UsageError

AUTO, FAST, FULL = "auto", "fast", "full"
TUNINGS = (AUTO, FAST, FULL)
# What full tuning costs for each of two shapes, for people.
TUNING_COST = "5 to 9 s on an H200"
# On that GPU full tuning costs two shapes 14 s, and brings a view of ResNet-50 from 97 to 58 microseconds (10,300
# to 17,300 a second): it is won back after 360,000 views.  Half as many crops have those, each with its mirror
# image: 1,440 clips of 25 x ten-crop.
_WORTH_CROPS = 180_000


def tuning_for(tuning: str, *, crops: int | None) -> str:
    """Return FAST or FULL: what was asked for, or what is done sooner.

    crops: about how many are to be inferred; None where nobody knows, as of a stream, which is worth it.
    Raises UsageError for an unknown tuning.
    """
    if not isinstance(tuning, str) or tuning not in TUNINGS:
        raise UsageError("--tuning", f"unknown tuning {tuning!r}", f"choose one of {', '.join(TUNINGS)}")
    if tuning != AUTO:
        return tuning
    return FULL if crops is None or crops >= _WORTH_CROPS else FAST
