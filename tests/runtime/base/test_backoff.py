from __future__ import annotations

import random

from pptsn.runtime.base.backoff import Backoff


class Most(random.Random):
    """Chance that does not shorten a wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(rng=Most())
    assert [backoff.next_s() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(first_s=1.0, cap_s=100.0, factor=3.0, rng=Most())
    assert [backoff.next_s() for _ in range(3)] == [1.0, 3.0, 9.0]
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_chance_takes_up_to_half_of_a_wait_and_never_adds_to_it() -> None:
    backoff = Backoff(first_s=4.0, cap_s=4.0, rng=random.Random(1))
    waits = [backoff.next_s() for _ in range(2000)]
    assert 2.0 <= min(waits) < 2.05
    assert 3.95 < max(waits) <= 4.0


def test_a_first_wait_above_the_cap_is_the_cap() -> None:
    assert Backoff(first_s=10.0, cap_s=4.0, rng=Most()).next_s() == 4.0


def test_weeks_of_waiting_overflow_nothing() -> None:
    backoff = Backoff(cap_s=4.0)
    assert all(backoff.next_s() <= 4.0 for _ in range(100_000))
