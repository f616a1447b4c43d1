"""What tells energy or power, and how its readings become joules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

# The parts of a machine that take energy, beside its GPUs, which are called `cuda:N`.
PROCESSOR, BOARD = "cpu", "board"


class SensorError(Exception):
    """A sensor that cannot be read; `str()` is a phrase for people."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One sensor, of a part that no other sensor covers.

    name: for people: "GPU 0 (NVML)".  part: what it covers: PROCESSOR, `cuda:N`, or BOARD, which has all in it.
    read: returns joules that only grow where `counts`, else the watts of this moment; raises SensorError.
    wraps_at_j: where a counter starts again from 0, or None.
    """

    name: str
    part: str
    read: Callable[[], float]
    counts: bool
    wraps_at_j: float | None = None


@dataclass(frozen=True)
class Lack:
    """A part whose energy cannot be told, or not all of it, and why; `cuda` stands for all GPUs."""

    part: str
    note: str

    def concerns(self, parts: Collection[str]) -> bool:
        """Whether it is one of `parts`."""
        return self.part in parts or (self.part == "cuda" and any(part.startswith("cuda:") for part in parts))


class Meter:
    """Sums up what one sensor tells from its first reading to its last; raises SensorError as the sensor does.

    Power is integrated by the trapezoid rule.  A counter that went back by itself has started again: it must be
    read at least once each time round.
    """

    def __init__(self, sensor: Sensor, at_s: float) -> None:
        self.sensor = sensor
        self.joules = 0.0
        self._value, self._at_s = sensor.read(), at_s

    def read(self, at_s: float) -> None:
        """Take a reading at `at_s`, by a clock that never steps."""
        value = self.sensor.read()
        if self.sensor.counts:
            self.joules += self._since(value)
        else:
            self.joules += (value + self._value) / 2 * (at_s - self._at_s)
        self._value, self._at_s = value, at_s

    def _since(self, value: float) -> float:
        passed = value - self._value
        if passed >= 0:
            return passed
        if self.sensor.wraps_at_j is None:
            raise SensorError("its counter went backwards")
        return passed + self.sensor.wraps_at_j
