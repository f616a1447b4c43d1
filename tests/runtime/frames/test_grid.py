"""Sampling by presentation time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from pptsn.runtime.frames.grid import GridSlot, TimeGrid

SIZE = (64, 48)


def slots(times: Iterable[float], *, step_s: float = 0.5, max_gap_s: float = 2.0) -> list[tuple[float, GridSlot]]:
    grid = TimeGrid(step_s, max_gap_s=max_gap_s)
    placed = [(time_s, grid.slot_of(time_s, size=SIZE)) for time_s in times]
    return [(time_s, slot) for time_s, slot in placed if slot is not None]


def test_takes_the_first_frame_of_each_slot():
    assert slots([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]) == [
        (0.0, GridSlot(0, 0)),
        (0.6, GridSlot(0, 1)),
        (1.0, GridSlot(0, 2)),
    ]


@pytest.mark.parametrize("fps", [5, 12.5, 24000 / 1001, 25, 30, 60, 120])
def test_frame_rate_does_not_change_the_slots(fps: float):
    frames = int(fps * 20)
    placed = slots(np.arange(frames) / fps)
    assert [slot.slot for _, slot in placed] == list(range(40))
    late = [time_s - 0.5 * slot.slot for time_s, slot in placed]
    assert min(late) > -0.002
    assert max(late) < 1 / fps


def test_timestamps_rounded_to_milliseconds_keep_their_slots():
    exact = [i / 30 for i in range(300)]
    rounded = [round(time_s, 3) for time_s in exact]
    assert [p for _, p in slots(exact, step_s=0.1)] == [p for _, p in slots(rounded, step_s=0.1)]
    assert len(slots(rounded, step_s=0.1)) == 100


def test_dropped_frames_leave_slots_empty():
    times = [i / 25 for i in range(100) if not 20 <= i < 60]
    assert [slot.slot for _, slot in slots(times, step_s=0.4)] == [0, 1, 6, 7, 8, 9]


def test_a_source_slower_than_the_grid_fills_the_slots_that_it_can():
    assert [slot.slot for _, slot in slots(range(5), step_s=0.25)] == [0, 4, 8, 12, 16]


def test_a_gap_begins_a_new_epoch():
    placed = slots([0.0, 0.5, 1.0, 3.5, 4.0])
    assert [slot for _, slot in placed] == [
        GridSlot(0, 0), GridSlot(0, 1), GridSlot(0, 2), GridSlot(1, 0), GridSlot(1, 1),
    ]  # fmt: skip


def test_a_source_that_is_slower_than_any_gap_has_none():
    placed = slots([0.0, 5.0, 10.0, 15.0, 40.0, 45.0], max_gap_s=2)
    assert [slot.epoch for _, slot in placed] == [0, 0, 0, 0, 1, 1]


def test_another_size_or_a_jump_of_the_clock_begins_a_new_epoch():
    grid = TimeGrid(0.5, max_gap_s=2)
    assert grid.slot_of(0.0, size=SIZE) == GridSlot(0, 0)
    assert grid.slot_of(0.1, size=(32, 24)) == GridSlot(1, 0)
    assert grid.slot_of(0.2, size=(32, 24)) is None
    assert grid.slot_of(0.3, size=(32, 24), jumps=1) == GridSlot(2, 0)


def test_nothing_adds_up_over_weeks():
    grid = TimeGrid(1 / 7, max_gap_s=2)
    grid.slot_of(0.0, size=SIZE)
    week_s = 7 * 86_400
    # The same grid, seen a week later without what lies between; a gap would begin a new one.
    grid._last_s = week_s
    for i in range(1, 100):
        slot = grid.slot_of(week_s + i / 7, size=SIZE)
        assert slot == GridSlot(0, 7 * week_s + i)
