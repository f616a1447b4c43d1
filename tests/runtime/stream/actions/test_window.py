"""The window over frames' logits."""

from __future__ import annotations

import numpy as np
import pytest

from pptsn.runtime.stream.actions.window import LogitWindow


def test_mean_is_that_of_the_last_slots():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 5))
    window = LogitWindow(7, 5)
    for slot, row in enumerate(rows):
        window.add(slot, row)
        expected = rows[max(0, slot - 6) : slot + 1].mean(axis=0)
        np.testing.assert_allclose(window.mean(), expected, rtol=1e-6)
        assert window.frames == min(slot + 1, 7)
        assert window.warming_up == (slot < 6)


def test_empty_slots_count_for_nothing_and_old_frames_leave():
    window = LogitWindow(4, 1)
    window.add(0, np.array([100.0]))
    window.add(3, np.array([2.0]))
    assert (window.mean()[0], window.frames, window.span, window.warming_up) == (51.0, 2, 4, False)
    window.add(5, np.array([4.0]))  # the window is 2 to 5
    assert (window.mean()[0], window.frames) == (3.0, 2)
    window.add(50, np.array([7.0]))
    assert (window.mean()[0], window.frames) == (7.0, 1)


def test_fills_by_time_not_by_frames():
    slow = LogitWindow(8, 1)
    slow.add(0, np.array([1.0]))
    slow.add(4, np.array([3.0]))
    assert slow.warming_up
    slow.add(8, np.array([5.0]))
    assert not slow.warming_up
    assert slow.frames == 2


def test_reset_forgets():
    window = LogitWindow(3, 1)
    for slot in range(5):
        window.add(slot, np.array([9.0]))
    window.reset()
    assert (window.frames, window.span, window.warming_up) == (0, 0, True)
    with pytest.raises(ValueError, match="empty"):
        window.mean()
    window.add(0, np.array([1.0]))
    assert window.mean()[0] == 1.0


def test_refuses_what_is_not_later():
    window = LogitWindow(3, 1)
    window.add(4, np.array([1.0]))
    with pytest.raises(ValueError, match="slot 4 after slot 4"):
        window.add(4, np.array([1.0]))
