"""What NoiseWatch notices: the machine's own speed, guests, other programs, heat and clocks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pptsn.benchmarks.measure.noise import NoiseWatch
from tests.clocks import Clock

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A fake /proc and /sys/devices/system/cpu."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cpus = folder / "proc", folder / "cpu"
        self.clock = Clock()
        self.spent(user=0, idle=0)
        self.process(os.getpid(), parent=1, seconds=0)

    def spent(self, *, user: float, idle: float, stolen: float = 0, idle_elsewhere: float = 0) -> None:
        """Say what the processors did since the start, in seconds.

        This process may use core 3 alone.  The other cores of the machine only rested.
        """
        self.proc.mkdir(parents=True, exist_ok=True)
        lines = [("cpu ", user, idle + idle_elsewhere, stolen), ("cpu0", 0, idle_elsewhere, 0)]
        lines += [("cpu3", user, idle, stolen)]
        rows = [(name, (busy, 0, 0, rest, 0, 0, 0, kept, 0, 0)) for name, busy, rest, kept in lines]
        texts = [f"{name} {' '.join(str(round(s * TICKS)) for s in numbers)}\n" for name, numbers in rows]
        (self.proc / "stat").write_text("".join(texts) + "intr 5 6\n")

    def process(self, pid: int, *, parent: int, seconds: float, of_ended_children: float = 0) -> None:
        folder = self.proc / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        before = "0 " * 9
        times = f"{round(seconds * TICKS)} 0 {round(of_ended_children * TICKS)} 0"
        (folder / "stat").write_text(f"{pid} (a (strange) name) S {parent} {before}{times} 20 0 1 0\n")

    def throttle(self, core: int, count: int) -> None:
        folder = self.cpus / f"cpu{core}" / "thermal_throttle"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")

    def watch(self) -> NoiseWatch:
        return NoiseWatch(self.proc, cpus=self.cpus, clock=self.clock, steady=self.clock)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    return Machine(tmp_path)


def probe_times(monkeypatch: pytest.MonkeyPatch, watch: NoiseWatch, *times_ms: float) -> None:
    """Let each look find one of `times_ms`."""
    rest = [time_ms for time_ms in times_ms for _ in range(3)]
    monkeypatch.setattr(watch, "_probe_ms", lambda: rest.pop(0))
    for _ in times_ms:
        watch.look()


def test_a_quiet_machine_gives_no_warning(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = machine.watch()
    probe_times(monkeypatch, watch, 1.0, 1.01, 0.99, 1.0)
    machine.clock.now_s += 10
    machine.spent(user=8, idle=12)
    machine.process(os.getpid(), parent=1, seconds=8)
    found = watch.findings()
    assert found["warnings"] == []
    assert (found["stolen_share"], found["others_share"], found["clock_step_s"]) == (0, 0, 0)
    assert found["throttled"] is None


def test_a_machine_whose_speed_varies_is_told_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = machine.watch()
    probe_times(monkeypatch, watch, 1.0, 1.0, 1.3)
    found = watch.findings()
    assert found["probe_spread"] == pytest.approx(0.3)
    assert ["varied by 30%" in line for line in found["warnings"]] == [True]


def test_single_probes_at_either_end_do_not_make_a_machine_noisy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = machine.watch()
    probe_times(monkeypatch, watch, *[1.0] * 10, 9.0)
    assert watch.findings()["probe_spread"] == 0


def test_two_probes_say_nothing_of_their_spread(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = machine.watch()
    probe_times(monkeypatch, watch, 1.0, 2.0)
    found = watch.findings()
    assert (found["probe_spread"], found["probe_ms"], found["warnings"]) == (None, 1.5, [])


def test_a_look_takes_the_best_of_three_probes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = machine.watch()
    times_ms = [5.0, 2.0, 3.0]
    monkeypatch.setattr(watch, "_probe_ms", lambda: times_ms.pop(0))
    watch.look()
    assert watch.findings()["probe_ms"] == 2.0


def test_the_real_work_takes_time() -> None:
    watch = NoiseWatch()
    watch.look()
    assert 0 < watch.findings()["probe_ms"] < 1000


def test_time_that_a_hypervisor_takes_is_told(machine: Machine) -> None:
    watch = machine.watch()
    machine.clock.now_s += 10
    machine.spent(user=0, idle=18, stolen=2)
    found = watch.findings()
    assert found["stolen_share"] == pytest.approx(0.1)
    assert ["took 10% of the processors' time" in line for line in found["warnings"]] == [True]


def test_other_programs_are_told_from_this_one_and_its_children(machine: Machine) -> None:
    machine.process(77, parent=os.getpid(), seconds=5)  # a child that worked before already
    machine.spent(user=100, idle=100)
    watch = machine.watch()
    machine.clock.now_s += 10
    machine.process(os.getpid(), parent=1, seconds=1, of_ended_children=2)
    machine.process(77, parent=os.getpid(), seconds=6)
    machine.process(78, parent=77, seconds=3)
    machine.process(99, parent=1, seconds=50)
    machine.spent(user=100 + 1 + 2 + 1 + 3 + 4, idle=109)
    found = watch.findings()
    assert found["others_share"] == pytest.approx(4 / 20)
    assert ["other programs used 20% of the processors" in line for line in found["warnings"]] == [True]


def test_cores_that_this_process_may_not_use_do_not_hide_who_takes_its_own(machine: Machine) -> None:
    watch = machine.watch()
    machine.clock.now_s += 10
    machine.spent(user=8, idle=0, stolen=2, idle_elsewhere=630)
    machine.process(os.getpid(), parent=1, seconds=4)
    found = watch.findings()
    assert (found["others_share"], found["stolen_share"]) == (pytest.approx(0.4), pytest.approx(0.2))


def test_where_the_kernel_does_not_list_a_core_the_whole_machine_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 40})
    watch = machine.watch()
    machine.clock.now_s += 10
    machine.spent(user=5, idle=5, idle_elsewhere=10)
    assert watch.findings()["others_share"] == pytest.approx(5 / 20)


def test_a_child_that_ended_meanwhile_still_counts_as_own(machine: Machine) -> None:
    machine.process(77, parent=os.getpid(), seconds=5)
    machine.spent(user=5, idle=0)
    watch = machine.watch()
    machine.clock.now_s += 10
    (machine.proc / "77" / "stat").unlink()
    machine.process(os.getpid(), parent=1, seconds=0, of_ended_children=9)
    machine.spent(user=9, idle=10)
    assert watch.findings()["others_share"] == 0


def test_moments_are_too_short_for_shares(machine: Machine) -> None:
    watch = machine.watch()
    machine.clock.now_s += 0.5
    machine.spent(user=1, idle=0)
    found = watch.findings()
    assert (found["stolen_share"], found["others_share"]) == (None, None)


@pytest.mark.parametrize("text", ["", "cpu", "cpu 1 2 three", "cpu 1 2 3 4"])
def test_a_kernel_that_tells_nothing_is_no_error(machine: Machine, text: str) -> None:
    (machine.proc / "stat").write_text(text)
    watch = machine.watch()
    machine.clock.now_s += 10
    assert watch.findings()["stolen_share"] is None


def test_cores_that_slowed_down_by_heat_are_told(machine: Machine) -> None:
    for core, count in enumerate((5, 7, 7)):
        machine.throttle(core, count)
    watch = machine.watch()
    assert watch.findings()["throttled"] == 0
    machine.throttle(1, 10)
    found = watch.findings()
    assert found["throttled"] == 3
    assert ["slowed down by heat 3 times" in line for line in found["warnings"]] == [True]


@pytest.mark.parametrize(("wall_s", "told"), [(70.0, True), (-70.0, True), (10.2, False)])
def test_a_wall_clock_that_steps_is_told(machine: Machine, wall_s: float, told: bool) -> None:
    wall, steady = Clock(), Clock()
    watch = NoiseWatch(machine.proc, cpus=machine.cpus, clock=wall, steady=steady)
    wall.now_s += wall_s
    steady.now_s += 10
    found = watch.findings()
    assert found["clock_step_s"] == pytest.approx(wall_s - 10 if told else 0)
    assert any("the wall clock stepped" in line for line in found["warnings"]) == told


def test_a_busy_start_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 4, 8, 9})
    monkeypatch.setattr(os, "getloadavg", lambda: (3.5, 0.0, 0.0))
    found = machine.watch().findings()
    assert found["load_before"] == 3.5
    assert [
        "3.5 processes were running when it began, and it may use 4 cores" in line for line in found["warnings"]
    ] == [True]
