"""What is left of streams that are not remembered one by one."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pptsn.runtime.stream.health.forgotten import Forgotten
from pptsn.runtime.stream.health.snapshots import StreamHealth

# What stands for one stream alone, or for one moment; of the others nothing may be lost in the sum.
OF_ONE = {
    *("name", "source", "state", "detail", "since", "live_source", "width", "height", "fps", "position_s"),
    *("duration_s", "frozen", "latency", "last", "active"),
}
SUMMED = sorted({each.name for each in fields(StreamHealth)} - OF_ONE - {"highest_score", "loss"})


def test_nothing_forgotten_is_nothing_told() -> None:
    assert Forgotten().health() == ()


@pytest.mark.parametrize("count", [1, 2, 700])
def test_all_counts_of_all_are_in_the_sum(count: int) -> None:
    forgotten = Forgotten()
    for number in range(count):
        forgotten.add(StreamHealth(f"s{number}", "x", "ended", **{name: i + 1 for i, name in enumerate(SUMMED)}))
    (total,) = forgotten.health()
    assert total.name == ("1 other" if count == 1 else f"{count} others")
    assert {name: getattr(total, name) for name in SUMMED} == {
        name: (i + 1) * count for i, name in enumerate(SUMMED)
    }


@pytest.mark.parametrize("failed", [0, 1, 3])
def test_failures_scores_and_the_first_loss_are_kept(failed: int) -> None:
    forgotten = Forgotten()
    for number in range(4):
        fails = number >= 4 - failed
        forgotten.add(
            StreamHealth(
                f"s{number}",
                "x",
                "failed" if fails else "ended",
                highest_score=number / 10,
                losses=2 * fails,
                loss="x.mp4: disk full" if fails else "",
            )
        )
    (total,) = forgotten.health()
    assert total.detail == (f"{failed} failed" if failed else "")
    assert total.highest_score == 0.3
    assert total.losses == 2 * failed
    assert total.loss == (f"s{4 - failed}: x.mp4: disk full" if failed else "")
