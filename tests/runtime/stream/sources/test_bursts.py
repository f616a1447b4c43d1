"""When the frames of a live source are due that sends in bursts."""

from __future__ import annotations

import pytest

from pptsn.runtime.stream.sources.bursts import BURST_S, DueTimes

BURSTS = [0.1, 0.5, 1.0, 2.0, 6.0, 10.0, 20.0]


def arrivals(burst_s: float, *, seconds: float = 80.0, rate: float = 10.0) -> list[tuple[float, float]]:
    """Return the time and the arrival of each frame of a source that sends those of `burst_s` seconds at once."""
    times = [index / rate for index in range(int(seconds * rate))]
    return [(t, 1000 + burst_s * (1 + t // burst_s)) for t in times]


@pytest.mark.parametrize("burst_s", BURSTS)
def test_the_frames_of_a_burst_are_due_at_the_pace_of_the_source(burst_s: float):
    due_times = DueTimes()
    frames = arrivals(burst_s)
    due = [due_times.at(*frame) for frame in frames]
    first_s = frames[0][1]
    assert due == pytest.approx([first_s + t for t, _ in frames], abs=0.11)
    assert all(arrived_s <= due_s + 1e-9 for (_, arrived_s), due_s in zip(frames, due, strict=True))


def test_what_came_at_once_at_the_beginning_is_due_early_in_the_end():
    """As HLS begins: three segments at once, then one every six seconds."""
    due_times = DueTimes()
    frames = [(t, max(arrived_s - 18, 1000.0)) for t, arrived_s in arrivals(6.0)]
    due = [due_times.at(*frame) for frame in frames]
    assert due[0] == frames[0][1]
    assert due[170] == pytest.approx(1017.0)
    # Once the beginning is forgotten, the first frame of a segment is due as it comes.
    assert due[720] == pytest.approx(frames[720][1], abs=0.11)


def test_a_delay_is_forgotten():
    due_times = DueTimes()
    frames = [(t, 1000 + t + (5.0 if t == 10 else 0.0)) for t in (index / 10 for index in range(600))]
    late = [due_times.at(*frame) - frame[1] for frame in frames]
    assert late[50] == pytest.approx(0)
    assert late[101] == pytest.approx(5)
    assert late[-1] == pytest.approx(0)


@pytest.mark.parametrize("rate", [2.0, 100.0, 1e6])
def test_nothing_is_due_later_than_a_burst_is_long(rate: float):
    """A server that sends a film as fast as it can is not live, whatever it says."""
    due_times = DueTimes()
    frames = [(t, 1000 + t / rate) for t in range(1000)]
    assert max(due_times.at(*frame) - frame[1] for frame in frames) <= BURST_S + 1e-9
