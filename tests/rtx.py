"""TensorRT-RTX in tests: it parses and builds without a GPU, wherever it has wheels."""

from __future__ import annotations

import platform

import pytest


def require_rtx() -> None:
    """Skip where TensorRT-RTX has no wheels; elsewhere the extra `rtx` is expected, its absence a failure."""
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.importorskip("tensorrt_rtx_bindings")
