"""How sure a share of right answers is."""

from __future__ import annotations

import math

_Z = 1.959964  # of the normal distribution, two-sided 95 %


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval (0..1) of the share that `count` of `total` >= 1 clips stand for.

    Wilson's score interval, J. Am. Stat. Assoc. 22 (1927): it holds for few clips, and for shares of 0 and 1.
    """
    share, weight = count / total, _Z**2 / total
    middle = (share + weight / 2) / (1 + weight)
    half = _Z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)
