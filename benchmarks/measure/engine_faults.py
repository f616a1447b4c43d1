"""What an engine raises while it runs, as an error about its model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.errors import ModelError

# Their exceptions share no base class but Exception, so they are known by where they come from.
_ENGINES = ("onnxruntime", "tensorrt", "pycuda", "cuda")


@contextmanager
def engine_faults(model: str | Path) -> Iterator[None]:
    """Turn what the engine of `model` raises into a ModelError; let the rest pass."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _ENGINES:
            raise
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            model, f"the engine failed while it ran ({line})", "try another device or model"
        ) from error
