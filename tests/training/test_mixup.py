import numpy as np
import pytest

from pptsn.training.mixup import Mix, draw_mix
from pptsn.training.network._paddle import paddle


def test_rows_are_mixed_with_their_partners():
    clips = np.arange(6, dtype=np.float32).reshape(3, 2)
    mixed = Mix(0.25, np.array([2, 0, 1])).apply(paddle.to_tensor(clips)).numpy()
    assert mixed == pytest.approx(0.25 * clips + 0.75 * clips[[2, 0, 1]])


def test_alpha_zero_mixes_nothing():
    clips = paddle.to_tensor(np.ones((3, 2), np.float32))
    mix = draw_mix(np.random.default_rng(0), 3, alpha=0)
    assert mix.share == 1.0
    assert mix.apply(clips) is clips


def test_one_share_is_drawn_for_a_batch_and_the_partners_are_a_permutation():
    rng = np.random.default_rng(0)
    mixes = [draw_mix(rng, 8, alpha=0.2) for _ in range(400)]
    shares = np.array([mix.share for mix in mixes])
    assert all(sorted(mix.partners) == list(range(8)) for mix in mixes)
    # Beta(0.2, 0.2) has mean 1/2 and lies near 0 and 1 most of the time.
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert ((shares < 0.1) | (shares > 0.9)).mean() > 0.5
