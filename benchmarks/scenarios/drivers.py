"""Which drivers there are."""

from __future__ import annotations

from benchmarks.scenarios.definitions import LOADGEN, OWN, Driver
from benchmarks.scenarios.loadgen import LoadGenDriver, loadgen_is_installed
from benchmarks.scenarios.own import OwnDriver
from runtime.errors import UsageError

DRIVERS = (OWN, LOADGEN, "both", "auto")


def new_drivers(name: str) -> list[Driver]:
    """Return the drivers that `name`, one of DRIVERS, stands for."""
    if name not in DRIVERS:
        raise UsageError("--driver", f"unknown driver {name!r}", f"choose one of {', '.join(DRIVERS)}")
    if name == "auto":
        name = "both" if loadgen_is_installed() else OWN
    drivers: list[Driver] = []
    if name in (OWN, "both"):
        drivers.append(OwnDriver())
    if name in (LOADGEN, "both"):
        drivers.append(LoadGenDriver())
    return drivers
