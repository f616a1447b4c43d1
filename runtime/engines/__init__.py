"""Inference engines: a folder for each library, reached lazily, so that a machine needs only the one it uses.

The names below are loaded when they are asked for: the registry, from which command lines list the backends, is
light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pptsn.runtime.engines.backend import Backend, Choices, Trial
    from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity
    from pptsn.runtime.engines.device import Device, DeviceError
    from pptsn.runtime.engines.registry import BACKENDS, open_engine

_MODULES = {
    "BACKENDS": "pptsn.runtime.engines.registry",
    "Backend": "pptsn.runtime.engines.backend",
    "Batch": "pptsn.runtime.engines.base",
    "Choices": "pptsn.runtime.engines.backend",
    "Device": "pptsn.runtime.engines.device",
    "DeviceError": "pptsn.runtime.engines.device",
    "Engine": "pptsn.runtime.engines.base",
    "EngineIdentity": "pptsn.runtime.engines.base",
    "Trial": "pptsn.runtime.engines.backend",
    "open_engine": "pptsn.runtime.engines.registry",
}

__all__ = [
    "BACKENDS",
    "Backend",
    "Batch",
    "Choices",
    "Device",
    "DeviceError",
    "Engine",
    "EngineIdentity",
    "Trial",
    "open_engine",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
