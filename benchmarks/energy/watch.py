"""Measuring the energy of a piece of work, by all sensors that there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pptsn.benchmarks.energy.sensors import (
    BOARD,
    PROCESSOR,
    Lack,
    Meter,
    Sensor,
    SensorError,
    jetson_sensors,
    nvml_sensors,
    rapl_sensors,
)
from pptsn.runtime.base.closing import Closing

# How often power is read.  Counters are read as often, long before any of them can have gone round twice.
_PERIOD_S = 0.1


@dataclass
class EnergyUsed:
    """The energy of a piece of work; filled when it is done.

    joules: of the processor and of the device that computed together; None where either could not be told whole.
    by_source: joules by the sensor's name, whatever else is missing.  notes: what is missing, and why.

    It is what the parts of the machine took, other programs and rest included: not the work's own share.
    """

    joules: float | None = None
    by_source: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class EnergyWatch(Closing):
    """Measures energy, one piece of work at a time.

        with energy_watch() as watch:
            with watch.measure("cuda:0") as used:
                work()
            print(used.joules, used.notes)

    sensors: of parts that do not overlap; one of the whole board stands for all.  lacks: parts without a sensor.
    close: gives the sensors back.
    clock: seconds that only increase.
    """

    def __init__(
        self,
        sensors: Sequence[Sensor],
        lacks: Sequence[Lack] = (),
        close: Callable[[], None] = lambda: None,
        *,
        period_s: float = _PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sensors, self._lacks, self._close = tuple(sensors), tuple(lacks), close
        self._period_s, self._clock = period_s, clock

    @contextmanager
    def measure(self, device: str = PROCESSOR) -> Iterator[EnergyUsed]:
        """Yield what holds the energy of the block after its end, also where the block raises.

        device: what computes, "cpu" or "cuda:N".  Of a GPU's work the processor has its part; idle GPUs have none.
        """
        used = EnergyUsed()
        parts = self._parts(device)
        sensors = [sensor for sensor in self._sensors if sensor.part in parts]
        missing = self._missing(parts)
        reading = _Reading(sensors, self._period_s, self._clock)
        reading.start()
        try:
            yield used
        finally:
            reading.finish()
            used.by_source = {meter.sensor.name: meter.joules for meter in reading.meters}
            used.notes = (*missing, *reading.failures)
            used.joules = None if used.notes else sum(used.by_source.values())

    def _parts(self, device: str) -> set[str]:
        """Return the parts whose energy the work of `device` takes."""
        has_board = any(sensor.part == BOARD for sensor in self._sensors)
        return {BOARD} if has_board else {PROCESSOR, device}

    def _missing(self, parts: Collection[str]) -> list[str]:
        """Return why the energy of `parts` cannot be told whole, a phrase each."""
        known = {sensor.part for sensor in self._sensors}
        lacks = [lack for lack in self._lacks if lack.concerns(parts)]
        untold = [
            f"no sensor of {part}"
            for part in sorted(set(parts) - known)
            if not any(lack.concerns([part]) for lack in lacks)
        ]
        if not lacks and not untold:
            return []
        # Where the whole board's sensor is wanting, that is what to mend.
        return [*(lack.note for lack in self._lacks if lack in lacks or lack.part == BOARD), *untold]

    def close(self) -> None:
        """Give the sensors back; a second call does nothing."""
        close, self._close = self._close, lambda: None
        close()


def energy_watch(root: Path = Path("/")) -> EnergyWatch:
    """Return a watch over all sensors of this machine; never raises for what it lacks.

    root: where `/sys` and `/etc` are.
    """
    with ExitStack() as stack:
        sensors, lacks = jetson_sensors(stack, root)
        if not sensors:  # else the board's power has the processor's and the GPU's in it
            for more, lacking in (nvml_sensors(stack), rapl_sensors(root)):
                sensors, lacks = sensors + more, lacks + lacking
        return EnergyWatch(sensors, lacks, stack.pop_all().close)


class _Reading:
    """Reads all sensors again and again, in a thread, from `start` to `finish`.

    meters: of the sensors that have not failed.  failures: a phrase for each that has.
    """

    def __init__(self, sensors: Sequence[Sensor], period_s: float, clock: Callable[[], float]) -> None:
        self.failures: list[str] = []
        self.meters: list[Meter] = []
        self._sensors, self._period_s, self._clock = sensors, period_s, clock
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)

    def start(self) -> None:
        for sensor in self._sensors:
            try:
                self.meters.append(Meter(sensor, self._clock()))
            except SensorError as error:
                self._note(sensor, error)
        if self.meters:
            self._thread.start()

    def finish(self) -> None:
        """End the thread, and read a last time."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._read()

    def _run(self) -> None:
        while not self._done.wait(self._period_s):
            self._read()

    def _read(self) -> None:
        for meter in list(self.meters):
            try:
                meter.read(self._clock())
            except SensorError as error:
                self.meters.remove(meter)
                self._note(meter.sensor, error)

    def _note(self, sensor: Sensor, error: SensorError) -> None:
        self.failures.append(f"{sensor.name}: {error}")
