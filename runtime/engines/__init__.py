"""Inference engines: a folder for each library, reached lazily, so that a machine needs only the one it uses."""

from __future__ import annotations

from pptsn.runtime.engines.backend import Backend, Choices, Trial
from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity
from pptsn.runtime.engines.device import Device, DeviceError
from pptsn.runtime.engines.registry import BACKENDS, open_engine

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
