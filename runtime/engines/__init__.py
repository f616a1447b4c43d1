"""Inference engines: one file each, reached lazily, so that a machine needs only the one it uses."""

from __future__ import annotations

from pathlib import Path

from runtime.engines.base import Engine
from runtime.engines.device import Device
from runtime.errors import UsageError

__all__ = ["BACKENDS", "Device", "Engine", "open_engine"]

BACKENDS = ("auto", "onnxruntime")


def open_engine(
    path: str | Path, *, backend: str = "auto", device: str = "cpu", threads: int | None = None
) -> Engine:
    """Load the model at `path`.

    backend: one of BACKENDS; `auto` is ONNX Runtime for .onnx files.
    device: `cpu`, `cuda` or `cuda:N`.
    threads: CPU threads; None takes all cores that this process may use.

    Raises UsageError for unknown names, ModelError for an unusable file, MissingDependencyError.
    """
    if backend not in BACKENDS:
        raise UsageError("--backend", f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    if threads is not None and threads < 1:
        raise UsageError("--threads", f"expected at least 1, got {threads}")
    from runtime.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path, device=Device.parse(device), threads=threads)
