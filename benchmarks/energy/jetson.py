"""A Jetson's INA sensors, by jetson-stats, whose module is `jtop`: the power of the whole board."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pptsn.benchmarks.energy.sensors import BOARD, Lack, Sensor, SensorError

_MILLI = 1e-3
# How often its service looks at the sensors for us.
_INTERVAL_S = 0.2
_INSTALL = "sudo pip3 install -U jetson-stats; sudo systemctl restart jtop"


def jetson_sensors(root: Path = Path("/")) -> tuple[list[Sensor], list[Lack], Callable[[], None]]:
    """Return the sensor of the board, why there is none, and what ends the connection to its service.

    root: where `/etc` is.  Elsewhere than on a Jetson there is nothing to say.
    """
    try:
        jtop = importlib.import_module("jtop")
    except ImportError:
        on_jetson = (root / "etc/nv_tegra_release").exists()
        return [], [_lack(f"jetson-stats is not installed; {_INSTALL}")] if on_jetson else [], _nothing
    try:
        service = jtop.jtop(interval=_INTERVAL_S)
        service.start()
    except (jtop.JtopException, OSError) as error:
        return [], [_lack(f"the service of jetson-stats does not answer ({error}); {_INSTALL}")], _nothing
    close = partial(_close, service)
    watts = partial(_watts, service, jtop.JtopException)
    try:
        watts()
    except SensorError as error:
        close()
        return [], [_lack(str(error))], _nothing
    return [Sensor(name="board (jetson-stats)", part=BOARD, read=watts, counts=False)], [], close


def _watts(service: Any, failure: type[Exception]) -> float:
    """Return the present power of the board, which the service has in milliwatts (jetson-stats 4)."""
    try:
        if not service.ok(spin=True):  # without waiting for its next look at the sensors
            raise SensorError("the service of jetson-stats has gone")
    except (failure, OSError, EOFError) as error:  # what its thread met meanwhile
        raise SensorError(f"the service of jetson-stats has gone ({error})") from None
    try:
        return float(service.power["tot"]["power"]) * _MILLI
    except (KeyError, TypeError, ValueError):
        raise SensorError("this board tells no power to jetson-stats") from None


def _lack(cause: str) -> Lack:
    return Lack(BOARD, f"Jetson: {cause}")


def _close(service: Any) -> None:
    with suppress(OSError):
        service.close()


def _nothing() -> None:
    pass
