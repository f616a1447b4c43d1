"""Energy by fake sensors: a made-up /sys, and stand-ins for pynvml and jtop."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pptsn.benchmarks.energy.sensors import Lack, Meter, Sensor, SensorError, nvml_sensors
from pptsn.benchmarks.energy.watch import EnergyUsed, EnergyWatch, energy_watch
from pptsn.runtime.base.errors import install_command
from tests.clocks import Clock
from tests.waiting import wait_until

NO_RAPL = "RAPL: this machine has no energy counters"
NO_NVML = f"NVML: nvidia-ml-py is not installed; {install_command('bench')}"


class Packages:
    """Which of the packages can be imported: none until a test adds one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in ("pynvml", "jtop"):
            monkeypatch.setitem(sys.modules, name, None)

    def add(self, module: ModuleType) -> None:
        self._monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> Packages:
    return Packages(monkeypatch)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert "energy" not in {thread.name for thread in threading.enumerate()}


# Readings


def values(*numbers: float | str) -> Callable[[], float]:
    rest = iter(numbers)

    def read() -> float:
        value = next(rest)
        if isinstance(value, str):
            raise SensorError(value)
        return value

    return read


def test_power_is_integrated_by_the_trapezoid_rule() -> None:
    meter = Meter(Sensor(name="a", part="cpu", read=values(10, 20, 0), counts=False), 0.0)
    meter.read(2.0)
    assert meter.joules == 30
    meter.read(3.0)
    assert meter.joules == 40


def test_a_counter_gives_what_it_grew_by() -> None:
    meter = Meter(Sensor(name="a", part="cpu", read=values(100, 103, 110), counts=True), 0.0)
    meter.read(1.0)
    meter.read(2.0)
    assert meter.joules == 10


def test_a_counter_that_went_round_goes_on_from_nothing() -> None:
    meter = Meter(Sensor(name="a", part="cpu", read=values(95, 5, 10, 2), counts=True, wraps_at_j=100), 0.0)
    for at_s in (1.0, 2.0, 3.0):
        meter.read(at_s)
    assert meter.joules == 10 + 5 + 92


def test_a_counter_that_goes_backwards_for_no_reason_is_not_believed() -> None:
    meter = Meter(Sensor(name="a", part="cpu", read=values(95, 5), counts=True), 0.0)
    with pytest.raises(SensorError, match="went backwards"):
        meter.read(1.0)


# The watch


def constant(watts: float, part: str = "cpu") -> Sensor:
    return Sensor(name=f"{watts:g} W", part=part, read=lambda: watts, counts=False)


def measured(
    sensors: Sequence[Sensor], lacks: Sequence[Lack] = (), *, device: str, seconds: float = 4.0
) -> EnergyUsed:
    clock = Clock()
    with EnergyWatch(sensors, lacks, clock=clock).measure(device) as used:
        clock.now_s += seconds
    return used


def test_what_computes_counts_and_the_processor_always() -> None:
    sensors = [constant(100, "cuda:0"), constant(200, "cuda:1"), constant(10), constant(5)]
    on_processor, on_gpu = measured(sensors, device="cpu"), measured(sensors, device="cuda:1")
    assert on_processor == EnergyUsed(joules=60, by_source={"10 W": 40, "5 W": 20}, notes=())
    assert on_gpu == EnergyUsed(joules=860, by_source={"200 W": 800, "10 W": 40, "5 W": 20}, notes=())


def test_without_the_processors_sensor_a_gpus_joules_are_no_sum() -> None:
    lack = Lack("cpu", "RAPL: no permission")
    used = measured([constant(100, "cuda:0")], [lack], device="cuda:0")
    assert used == EnergyUsed(joules=None, by_source={"100 W": 400}, notes=("RAPL: no permission",))
    assert measured([constant(100, "cuda:0")], [lack], device="cpu") == EnergyUsed(
        joules=None, by_source={}, notes=("RAPL: no permission",)
    )


def test_one_package_of_two_is_no_sum() -> None:
    used = measured([constant(10)], [Lack("cpu", "RAPL: package-1 is asleep")], device="cpu")
    assert used == EnergyUsed(joules=None, by_source={"10 W": 40}, notes=("RAPL: package-1 is asleep",))


def test_what_a_gpu_does_not_tell_is_nothing_to_the_processor_or_to_another_gpu() -> None:
    sensors, lacks = [constant(10), constant(100, "cuda:1")], [Lack("cuda:0", "NVML: GPU 0 tells nothing")]
    assert measured(sensors, lacks, device="cpu").joules == 40
    assert measured(sensors, lacks, device="cuda:1").joules == 440
    assert measured(sensors, lacks, device="cuda:0").notes == ("NVML: GPU 0 tells nothing",)
    assert measured(sensors, lacks, device="cuda:2").notes == ("no sensor of cuda:2",)
    of_all = [Lack("cuda", "NVML: no GPU to ask")]
    assert measured(sensors[:1], of_all, device="cuda:3").notes == ("NVML: no GPU to ask",)
    assert measured(sensors[:1], of_all, device="cpu").notes == ()


def test_the_whole_boards_power_counts_whatever_computes() -> None:
    for device in ("cpu", "cuda:0"):
        assert measured([constant(12, "board")], device=device).joules == 48


def test_a_watch_measures_one_piece_of_work_after_another() -> None:
    clock = Clock()
    watch = EnergyWatch([constant(10)], clock=clock)
    found = []
    for seconds in (1.0, 2.0):
        with watch.measure() as used:
            clock.now_s += seconds
        found.append(used.joules)
    assert found == [10, 20]


def test_power_is_read_while_the_work_goes_on() -> None:
    read_s: list[float] = []
    power = values(0, *[100.0] * 10_000)

    def read() -> float:
        read_s.append(time.monotonic())
        return power()

    watch = EnergyWatch([Sensor(name="a", part="cpu", read=read, counts=False)], period_s=0.01)
    with watch.measure() as used:
        # Whenever the second reading comes, the first with power, as long again and more goes by after it.
        wait_until(lambda: len(read_s) > 2 and time.monotonic() - read_s[0] > 5 * (read_s[1] - read_s[0]))
    # Of a first and a last reading alone it would be half as much.
    assert used.joules is not None
    assert 0.6 * 100 < used.joules / (read_s[-1] - read_s[0]) <= 100


def test_without_any_sensor_there_are_no_joules_but_reasons(tmp_path: Path) -> None:
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        pass
    assert (used.joules, used.by_source, used.notes) == (None, {}, (NO_RAPL,))
    with energy_watch(tmp_path) as watch, watch.measure("cuda:0") as used:
        pass
    assert (used.joules, used.by_source, used.notes) == (None, {}, (NO_NVML, NO_RAPL))


def test_a_sensor_that_fails_in_the_middle_leaves_the_others_but_no_sum() -> None:
    clock = Clock()
    failing = Sensor(name="bad", part="cpu", read=values(1, 1, "it was switched off"), counts=False)
    failed = threading.Event()
    watch = EnergyWatch([failing, constant(5)], period_s=0.001, clock=clock)
    with watch.measure() as used:
        failed.wait(0.2)
        clock.now_s += 2.0
    assert used.by_source == {"5 W": 10}
    assert (used.joules, used.notes) == (None, ("bad: it was switched off",))


def test_a_sensor_that_fails_at_once_is_told_as_well() -> None:
    with EnergyWatch([Sensor(name="bad", part="cpu", read=values("it is asleep"), counts=True)]).measure() as used:
        pass
    assert (used.joules, used.notes) == (None, ("bad: it is asleep",))


def test_work_that_fails_is_measured_and_ends_the_thread() -> None:
    clock = Clock()
    with pytest.raises(ZeroDivisionError), EnergyWatch([constant(3)], clock=clock).measure() as used:
        clock.now_s += 1.0
        raise ZeroDivisionError
    assert used.joules == 3


# RAPL


def zone(root: Path, path: str, name: str, *, energy_uj: int, wraps_at_uj: int = 1_000_000) -> Path:
    folder = root / "sys/class/powercap" / path
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{wraps_at_uj}\n")
    return folder / "energy_uj"


def test_packages_and_memory_count_but_their_parts_and_the_platform_do_not(tmp_path: Path) -> None:
    counters = [
        zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=100),
        zone(tmp_path, "intel-rapl:0:0", "core", energy_uj=100),
        zone(tmp_path, "intel-rapl:0:1", "dram", energy_uj=100),
        zone(tmp_path, "intel-rapl:1", "package-1", energy_uj=100),
        zone(tmp_path, "intel-rapl:1:0", "dram", energy_uj=100),
        zone(tmp_path, "intel-rapl:2", "psys", energy_uj=100),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", energy_uj=100),
    ]
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        for counter in counters:
            counter.write_text("500100\n")
    assert used.by_source == {
        f"{name} (RAPL)": pytest.approx(0.5) for name in ("package-0", "dram-0", "package-1", "dram-1")
    }
    assert used.joules == pytest.approx(2)
    assert used.notes == ()


def test_a_rapl_counter_that_goes_round_is_followed(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=900_000, wraps_at_uj=1_000_000)
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        counter.write_text("300000\n")
    assert used.joules == pytest.approx(0.4)


def test_counters_that_only_root_may_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=100)
    read_text = Path.read_text

    def refuse(path: Path, *arguments: Any, **options: Any) -> str:
        if path == counter:
            raise PermissionError(13, "Permission denied")
        return read_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        pass
    assert used.joules is None
    note = f"RAPL: no permission to read {counter}: run as root, or allow it by: chmod a+r {counter}"
    assert used.notes == (note,)


def test_a_counter_that_vanishes_is_told(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=100)
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        counter.unlink()
    assert used.joules is None
    assert any("package-0 (RAPL)" in note and "cannot be read" in note for note in used.notes)


# NVML


class FakeNvml(ModuleType):
    """GPUs that count their energy (a number of millijoules), or tell their power alone, or nothing."""

    class NVMLError(Exception):
        pass

    def __init__(self, *gpus: dict[str, int], broken: bool = False) -> None:
        super().__init__("pynvml")
        self.gpus, self.broken, self.is_open = list(gpus), broken, False

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names, here and below
        if self.broken:
            raise self.NVMLError("Driver Not Loaded")
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, int]:  # noqa: N802
        return self.gpus[index]

    def nvmlDeviceGetName(self, gpu: dict[str, int]) -> str:  # noqa: N802
        return f"kind {gpu.get('kind', 0)}"

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: dict[str, int]) -> int:  # noqa: N802
        return self._ask(gpu, "energy_mj")

    def nvmlDeviceGetPowerUsage(self, gpu: dict[str, int]) -> int:  # noqa: N802
        return self._ask(gpu, "power_mw")

    def _ask(self, gpu: dict[str, int], what: str) -> int:
        if what not in gpu:
            raise self.NVMLError("Not Supported")
        return gpu[what]


def test_a_gpu_that_counts_its_energy_is_asked_for_it(packages: Packages, tmp_path: Path) -> None:
    nvml = FakeNvml({"energy_mj": 1000}, {"energy_mj": 0})
    packages.add(nvml)
    counter = zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=0)
    with energy_watch(tmp_path) as watch:
        with watch.measure("cuda:0") as used:
            nvml.gpus[0]["energy_mj"], nvml.gpus[1]["energy_mj"] = 3500, 250
            counter.write_text("500000\n")
        assert nvml.is_open
    assert used.by_source == {"GPU 0 (NVML)": 2.5, "package-0 (RAPL)": 0.5}
    assert (used.joules, used.notes) == (3.0, ())
    assert not nvml.is_open


@pytest.mark.parametrize(
    ("environment", "sources"),
    [
        ({}, {"cuda:0": "GPU 0 (NVML)", "cuda:1": "GPU 1 (NVML)", "cuda:2": "GPU 2 (NVML)"}),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, {"cuda:0": "GPU 2 (NVML)", "cuda:1": "GPU 0 (NVML)"}),
        ({"CUDA_VISIBLE_DEVICES": ""}, {}),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, {}),
        ({"CUDA_VISIBLE_DEVICES": "7"}, {}),
    ],
)
def test_gpus_are_counted_as_cuda_counts_them(
    packages: Packages, environment: dict[str, str], sources: dict[str, str]
) -> None:
    packages.add(FakeNvml(*({"energy_mj": 0} for _ in range(3))))
    with ExitStack() as stack:
        sensors, lacks = nvml_sensors(stack, environment)
    assert {sensor.part: sensor.name for sensor in sensors} == sources
    assert [lack.part for lack in lacks] == ([] if sources else ["cuda"])


def test_which_of_several_kinds_of_gpus_comes_first_is_not_guessed(packages: Packages) -> None:
    packages.add(FakeNvml({"energy_mj": 0, "kind": 1}, {"energy_mj": 0, "kind": 2}))
    with ExitStack() as stack:
        sensors, lacks = nvml_sensors(stack, {})
        ordered, _ = nvml_sensors(stack, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert sensors == []
    assert "set CUDA_DEVICE_ORDER=PCI_BUS_ID" in lacks[0].note
    assert len(ordered) == 2


def test_an_older_gpus_power_is_integrated(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.add(FakeNvml({"power_mw": 50_000}))
    clock = Clock()
    with energy_watch(tmp_path) as watch:
        monkeypatch.setattr(watch, "_clock", clock)
        with watch.measure("cuda:0") as used:
            clock.now_s += 3.0
    assert used.by_source == {"GPU 0 (NVML)": pytest.approx(150)}


def test_a_gpu_that_tells_nothing_leaves_the_others(packages: Packages, tmp_path: Path) -> None:
    packages.add(FakeNvml({}, {"energy_mj": 0}))
    with energy_watch(tmp_path) as watch:
        with watch.measure("cuda:1") as of_other:
            pass
        with watch.measure("cuda:0") as of_silent:
            pass
    assert (list(of_other.by_source), of_other.notes) == (["GPU 1 (NVML)"], (NO_RAPL,))
    assert of_silent.notes == ("NVML: GPU 0 tells nothing (Not Supported)", NO_RAPL)


def test_a_gpu_that_falls_off_in_the_middle_is_told(packages: Packages, tmp_path: Path) -> None:
    nvml = FakeNvml({"energy_mj": 0})
    packages.add(nvml)
    with energy_watch(tmp_path) as watch, watch.measure("cuda:0") as used:
        nvml.gpus[0].clear()
    assert used.joules is None
    assert used.notes == (NO_RAPL, "GPU 0 (NVML): Not Supported")


@pytest.mark.parametrize(
    ("nvml", "note"),
    [(FakeNvml(broken=True), "NVML: no GPU to ask (Driver Not Loaded)"), (FakeNvml(), "NVML: no GPU")],
)
def test_a_machine_without_gpus_says_so(packages: Packages, tmp_path: Path, nvml: FakeNvml, note: str) -> None:
    packages.add(nvml)
    with energy_watch(tmp_path) as watch, watch.measure("cuda:0") as used:
        pass
    assert used.notes == (note, NO_RAPL)


# Jetson


class FakeJtop(ModuleType):
    """A service that tells `power` as jetson-stats 4 does."""

    class JtopException(Exception):  # noqa: N818 - its own name
        pass

    def __init__(self, power: Any, *, running: bool = True) -> None:
        super().__init__("jtop")
        self.power, self.running, self.closed = power, running, 0

    def jtop(self, interval: float) -> FakeJtop:
        assert 0 < interval < 1
        return self

    def start(self) -> None:
        if not self.running:
            raise self.JtopException("The jtop.service is not active")

    def ok(self, spin: bool = False) -> bool:
        assert spin, "it would wait"
        return self.running

    def close(self) -> None:
        self.closed += 1


def test_a_jetsons_board_power_is_integrated_and_nothing_counts_twice(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeJtop({"rail": {"VDD_CPU": {"power": 3000}}, "tot": {"power": 12_000}})
    packages.add(service)
    packages.add(FakeNvml({"power_mw": 50_000}))
    clock = Clock()
    with energy_watch(tmp_path) as watch:
        monkeypatch.setattr(watch, "_clock", clock)
        with watch.measure() as used:
            clock.now_s += 2.0
    assert used.by_source == {"board (jetson-stats)": pytest.approx(24)}
    assert service.closed == 1


def test_a_service_that_goes_away_is_told(packages: Packages, tmp_path: Path) -> None:
    service = FakeJtop({"tot": {"power": 12_000}})
    packages.add(service)
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        service.running = False
    assert used.joules is None
    assert used.notes == ("board (jetson-stats): the service of jetson-stats has gone",)


@pytest.mark.parametrize("power", [{}, {"tot": {}}, ({}, {}), {"tot": {"power": None}}])
def test_a_board_without_sensors_is_told(packages: Packages, tmp_path: Path, power: Any) -> None:
    service = FakeJtop(power)
    packages.add(service)
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        pass
    assert used.notes == ("Jetson: this board tells no power to jetson-stats", NO_RAPL)
    assert service.closed == 1


def test_a_service_that_does_not_run_is_told(packages: Packages, tmp_path: Path) -> None:
    packages.add(FakeJtop({}, running=False))
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        pass
    assert "does not answer (The jtop.service is not active)" in used.notes[0]


def test_a_jetson_without_the_package_is_told_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36\n")
    with energy_watch(tmp_path) as watch, watch.measure() as used:
        pass
    assert "sudo pip3 install -U jetson-stats" in used.notes[0]
