"""What is fastest of engines whose speed is known, on a clock that they move."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.engines.device import DeviceError
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.tune import search
from pptsn.runtime.tune.measuring import CROPS_OF_A_LONG_RUN, crops_per_second
from pptsn.runtime.tune.search import Search, candidates
from tests.models import tiny_spec, write_tiny_model


@dataclass
class Machine:
    """A clock, and how long engines on this machine take: `call_s` each call and `crop_s` each crop."""

    now_s: float = 0.0
    call_s: float = 0.0
    crop_s: dict[str, float] = field(default_factory=lambda: {"fast": 0.01, "slow": 0.03})
    opening_s: dict[str, float] = field(default_factory=lambda: {"fast": 1.0, "slow": 0.5})
    cores: int = 2
    room: int = 10_000
    hiccups: dict[int, float] = field(default_factory=dict)  # seconds that a call takes longer, by its number
    calls: int = 0
    open_engines: int = 0
    asked_for: set[int | None] = field(default_factory=set)  # crops that engines were opened for

    def clock(self) -> float:
        return self.now_s

    def open(
        self, path: Path, *, backend: str, device: str, threads: int | None, crops: int | None = None
    ) -> Engine:
        self.asked_for.add(crops)
        if backend not in self.crop_s:
            raise MissingDependencyError(backend, "is not installed", "install it")
        self.now_s += self.opening_s[backend]
        self.open_engines += 1
        share = (threads or self.cores) / self.cores
        return TimedEngine(self, backend, self.crop_s[backend] / share)


class TimedEngine(Engine):
    def __init__(self, machine: Machine, backend: str, crop_s: float) -> None:
        self.machine, self.crop_s = machine, crop_s
        self.spec, self.batch_size = tiny_spec(), 10
        self.identity = EngineIdentity(backend=backend, precision="fp32")

    def _infer(self, crops: Frame) -> Logits:
        if len(crops) > self.machine.room:
            raise DeviceError("device", "no room")
        self.machine.calls += 1
        hiccup_s = self.machine.hiccups.get(self.machine.calls, 0.0)
        self.machine.now_s += self.machine.call_s + self.crop_s * len(crops) + hiccup_s
        return np.zeros((len(crops), 4), np.float32)

    def close(self) -> None:
        self.machine.open_engines -= 1


def searched(machine: Machine, monkeypatch: pytest.MonkeyPatch, *backends: str, **details: Any) -> Search:
    monkeypatch.setattr(search, "candidates", lambda path: list(backends or ("slow", "fast")))
    monkeypatch.setattr(search, "available_cores", lambda: machine.cores)
    values = {"path": Path("m.onnx"), "seconds": 30.0, "opener": machine.open, "clock": machine.clock} | details
    return Search(**values)


def test_the_rate_is_that_of_the_engine() -> None:
    machine = Machine()
    with machine.open(Path("m.onnx"), backend="fast", device="cpu", threads=None) as engine:
        assert crops_per_second(engine, 5, seconds=2, clock=machine.clock) == pytest.approx(100)
        assert machine.now_s == pytest.approx(1.0 + 0.05 + 2.0, abs=0.1)
        assert crops_per_second(engine, 500, seconds=0, clock=machine.clock) == pytest.approx(100)


def test_the_faster_backend_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    fast, slow = searched(machine, monkeypatch).fastest()
    assert (fast.setting.backend, slow.setting.backend) == ("fast", "slow")
    assert fast.crops_per_s == pytest.approx(100)
    assert slow.crops_per_s == pytest.approx(100 / 3)
    assert (fast.opening_s, slow.opening_s) == (1.0, 0.5)
    assert machine.open_engines == 0
    assert machine.asked_for == {CROPS_OF_A_LONG_RUN}


@pytest.mark.parametrize("seconds", [5.0, 30.0, 100.0])
def test_it_takes_about_as_long_as_it_is_given(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    machine = Machine()
    searched(machine, monkeypatch, seconds=seconds).fastest()
    openings_s = 5 * 1.0 + 3 * 0.5
    assert machine.now_s <= 1.3 * seconds + openings_s + 5


def test_large_batches_are_taken_where_a_call_costs_much(monkeypatch: pytest.MonkeyPatch) -> None:
    best = searched(Machine(call_s=0.5), monkeypatch, "fast", seconds=100.0).fastest()[0]
    assert best.setting.batch_size == 125


def test_of_batches_that_are_as_fast_the_smallest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    best = searched(Machine(call_s=1e-9), monkeypatch, "fast").fastest()[0]
    assert best.setting.batch_size == 5


def test_batches_that_take_too_long_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    machine = Machine(crop_s={"fast": 0.1})
    searched(machine, monkeypatch, "fast", tried=lambda each: tried.append(each.setting.batch_size)).fastest()
    assert max(tried) == 10  # 25 would take 2.5 s a call


def test_a_device_without_room_for_a_batch_is_tried_with_less(monkeypatch: pytest.MonkeyPatch) -> None:
    best = searched(Machine(call_s=0.5, room=30), monkeypatch, "fast", seconds=100.0).fastest()[0]
    assert best.setting.batch_size == 25


def test_fewer_threads_are_tried_and_taken_where_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(cores=8)
    tried: list[int | None] = []
    search_ = searched(machine, monkeypatch, "fast", tried=lambda each: tried.append(each.setting.threads))
    assert search_.fastest()[0].setting.threads is None
    assert {4, 7} <= set(tried)
    machine.crop_s["fast"], machine.cores = -1, 8  # a machine that is in its own way

    def crowded(path: Path, *, backend: str, device: str, threads: int | None, crops: int) -> Engine:
        machine.open_engines += 1
        return TimedEngine(machine, backend, 0.01 * (1 if threads == 4 else 2))

    assert searched(machine, monkeypatch, "fast", opener=crowded).fastest()[0].setting.threads == 4


def test_a_busy_moment_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast one is hit while it is tried, in all batch sizes but one; what counts is measured in turn."""
    machine = Machine(crop_s={"fast": 0.02, "slow": 0.025}, call_s=1e-9)
    calls = 0

    def hit(self: TimedEngine, crops: Frame, infer: Any = TimedEngine._infer) -> Logits:
        nonlocal calls
        if self.identity.backend == "fast":
            calls += 1
            self.machine.now_s += 0.2 if calls < 8 else 0.0
        logits: Logits = infer(self, crops)
        return logits

    monkeypatch.setattr(TimedEngine, "_infer", hit)
    assert searched(machine, monkeypatch, "fast", "slow").fastest()[0].setting.backend == "fast"


def test_what_cannot_be_used_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    found = searched(
        Machine(), monkeypatch, "gone", "slow", unusable=lambda name, error: told.append(f"{name}: {error}")
    ).fastest()
    assert [each.setting.backend for each in found] == ["slow"]
    assert told == ["gone: gone: is not installed; install it"]


def test_where_nothing_can_be_used_the_first_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match="gone: is not installed"):
        searched(Machine(), monkeypatch, "gone", "lost").fastest()


def test_candidates_run_the_file_and_open_it_soon(tmp_path: Path) -> None:
    names = candidates(write_tiny_model(tmp_path / "m.onnx"))
    assert names[0] == "onnxruntime"
    assert "openvino" in names
    assert not {"onnxruntime-tensorrt", "tensorrt"} & set(names)
