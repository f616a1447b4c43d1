"""Wilson's interval against the definition: the shares from which the count lies 1.96 deviations away."""

from __future__ import annotations

import math

import pytest

from pptsn.runtime.evaluate.intervals import wilson


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 48), (24, 48), (47, 48), (48, 48), (700, 1000)])
def test_its_ends_are_1_96_deviations_from_the_share_that_was_found(count: int, total: int) -> None:
    low, high = wilson(count, total)
    assert 0 <= low <= count / total <= high <= 1
    for end in (low, high):
        deviation = math.sqrt(end * (1 - end) / total)
        if deviation > 1e-9:  # at 0 and 1 one end is the share itself
            assert abs(count / total - end) == pytest.approx(1.959964 * deviation, rel=1e-6)
