"""Inference engines: one file each, reached lazily, so that a machine needs only the one it uses."""

from __future__ import annotations

from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity
from pptsn.runtime.engines.device import Device, DeviceError
from pptsn.runtime.engines.selection import BACKENDS, open_engine

__all__ = ["BACKENDS", "Batch", "Device", "DeviceError", "Engine", "EngineIdentity", "open_engine"]
