"""Measuring the energy of a piece of work, by all sensors that there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.energy.jetson import jetson_sensors
from benchmarks.energy.nvml import nvml_sensors
from benchmarks.energy.rapl import rapl_sensors
from benchmarks.energy.sensors import Meter, Sensor, SensorError
from runtime.closing import Closing

# How often power is read.  Counters are read as often, long before any of them can have gone round twice.
_PERIOD_S = 0.1


@dataclass
class EnergyUsed:
    """The energy of a piece of work; filled when it is done.

    joules: of all sensors together, or None where none could tell.  by_source: joules by the sensor's name.
    notes: why a source tells nothing, a phrase each.

    It is what the parts of the machine took, other programs and rest included: not the work's own share.
    """

    joules: float | None = None
    by_source: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class EnergyWatch(Closing):
    """Measures energy, one piece of work at a time.

        with energy_watch() as watch:
            with watch.measure() as used:
                work()
            print(used.joules, used.notes)

    sensors: of parts that do not overlap.  notes: why other sources tell nothing.  close: gives the sensors back.
    clock: seconds that only increase.
    """

    def __init__(
        self,
        sensors: Sequence[Sensor],
        notes: Sequence[str] = (),
        close: Callable[[], None] = lambda: None,
        *,
        period_s: float = _PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sensors, self._notes, self._close = tuple(sensors), tuple(notes), close
        self._period_s, self._clock = period_s, clock

    @contextmanager
    def measure(self) -> Iterator[EnergyUsed]:
        """Yield what holds the energy of the block after its end, also where the block raises."""
        used = EnergyUsed()
        reading = _Reading(self._sensors, self._notes, self._period_s, self._clock)
        reading.start()
        try:
            yield used
        finally:
            reading.finish()
            used.by_source = {meter.sensor.name: meter.joules for meter in reading.meters}
            used.joules = sum(used.by_source.values()) if used.by_source else None
            used.notes = tuple(reading.notes)

    def close(self) -> None:
        """Give the sensors back; a second call does nothing."""
        close, self._close = self._close, lambda: None
        close()


def energy_watch(root: Path = Path("/")) -> EnergyWatch:
    """Return a watch over all sensors of this machine; never raises for what it lacks.

    root: where `/sys` and `/etc` are.
    """
    sensors, notes, close = jetson_sensors(root)
    if sensors:  # the board's power has the processor's and the GPU's in it
        return EnergyWatch(sensors, notes, close)
    gpus, gpu_notes, close_gpus = nvml_sensors()
    packages, package_notes = rapl_sensors(root)
    with ExitStack() as stack:
        stack.callback(close)
        stack.callback(close_gpus)
        return EnergyWatch([*gpus, *packages], [*notes, *gpu_notes, *package_notes], stack.pop_all().close)


class _Reading:
    """Reads all sensors again and again, in a thread, from `start` to `finish`.

    meters: of the sensors that have not failed.
    """

    def __init__(
        self, sensors: Sequence[Sensor], notes: Sequence[str], period_s: float, clock: Callable[[], float]
    ) -> None:
        self.notes = list(notes)
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
        self.notes.append(f"{sensor.name}: {error}")
