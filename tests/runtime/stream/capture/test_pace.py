"""A file at its own pace, and how long its pauses may be."""

from __future__ import annotations

import threading

import pytest

from pptsn.runtime.stream.capture import pace as pace_module
from pptsn.runtime.stream.capture.pace import Pace
from pptsn.runtime.stream.capture.timeline import in_seconds


class Clock:
    """Time that passes where it is waited for."""

    def __init__(self) -> None:
        self.now_s = 50.0

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, timeout_s: float) -> None:
        self.now_s += timeout_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace_module.time, "monotonic", clock.monotonic)
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", clock.wait)
    clock.stop = stop  # type: ignore[attr-defined]
    return clock


def test_frames_are_due_at_their_times(clock: Clock):
    said: list[str] = []
    pace = Pace(5.0, remark=said.append)
    assert [pace.wait(t, clock.stop) for t in (0.0, 0.5, 4.0)] == [50.0, 50.5, 54.0]  # type: ignore[attr-defined]
    clock.now_s += 3  # the decoder was slow: what is late is not waited for
    assert pace.wait(5.0, clock.stop) == 55.0  # type: ignore[attr-defined]
    assert (clock.now_s, said) == (57.0, [])


@pytest.mark.parametrize("pause_s", [5.1, 60.0, 3600.0, 1e12])
def test_a_long_pause_is_cut_short_and_told_once_in_a_while(clock: Clock, pause_s: float):
    said: list[str] = []
    pace = Pace(5.0, remark=said.append)
    times = [0.0, pause_s, pause_s + 1, 2 * pause_s + 1]
    assert [pace.wait(t, clock.stop) for t in times] == pytest.approx([50, 55, 56, 61], abs=1e-3)  # type: ignore[attr-defined]
    assert said == [f"a pause of {in_seconds(pause_s)} in the file is cut to 5 s"]
