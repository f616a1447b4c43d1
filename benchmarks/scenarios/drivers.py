"""Which drivers there are."""

from __future__ import annotations

from pptsn.benchmarks.scenarios.definitions import LOADGEN, OWN, Driver
from pptsn.benchmarks.scenarios.loadgen import LoadGenDriver, loadgen_is_installed
from pptsn.benchmarks.scenarios.own import OwnDriver
from pptsn.runtime.base.errors import UsageError

DRIVERS = (OWN, LOADGEN, "both", "auto")


def new_drivers(name: str) -> list[Driver]:
    """Return the drivers that `name`, one of DRIVERS, stands for.

    `auto` is LoadGen where it is installed, or else our own; `both` are the two, to be run in turn.
    """
    if name not in DRIVERS:
        raise UsageError("--driver", f"unknown driver {name!r}", f"choose one of {', '.join(DRIVERS)}")
    if name == "auto":
        name = LOADGEN if loadgen_is_installed() else OWN
    drivers: list[Driver] = []
    if name in (OWN, "both"):
        drivers.append(OwnDriver())
    if name in (LOADGEN, "both"):
        drivers.append(LoadGenDriver())
    return drivers
