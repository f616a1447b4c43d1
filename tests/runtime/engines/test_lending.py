from __future__ import annotations

import numpy as np
import pytest

from pptsn.runtime.engines.lending import BatchPool, infer_through
from tests.models import tiny_spec
from tools.pacing.stand_in import StandInEngine


def engine() -> StandInEngine:
    return StandInEngine(tiny_spec(), batch_s=0.0, batch_size=4)


def test_batches_are_made_when_they_are_missing_and_lent_again() -> None:
    pool = BatchPool(lambda: engine().new_batches()[0])
    assert pool.all_free
    first = pool.lend(2)
    assert not pool.all_free
    others = pool.lend(2)
    assert len(set(map(id, (*first, *others)))) == 4
    for batch in (*reversed(first), first[0]):  # twice is once
        pool.take_back(batch)
    assert pool.lend(2) == first
    pool.clear()
    pool.take_back(first[0])  # of before: it is not lent any more
    assert pool.lend(1) != first[:1]


@pytest.mark.parametrize("count", [1, 4, 5, 8, 19])
def test_crops_go_through_in_full_batches_and_a_rest(count: int) -> None:
    device = engine()
    crops = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), np.uint8)
    logits = infer_through(device.new_batches(), crops)
    assert device.calls == [4] * (count // 4) + ([count % 4] if count % 4 else [])
    np.testing.assert_array_equal(logits, device.infer(crops))
