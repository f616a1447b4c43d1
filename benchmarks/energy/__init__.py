"""Energy that a piece of work takes, as far as the machine can tell: NVML, RAPL, a Jetson's own sensors."""

from __future__ import annotations

from pptsn.benchmarks.energy.watch import EnergyUsed, EnergyWatch, energy_watch

__all__ = ["EnergyUsed", "EnergyWatch", "energy_watch"]
