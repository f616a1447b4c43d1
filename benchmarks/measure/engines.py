"""Engines in benchmarks: what reports call them, crops cut for them, and what they raise while they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.registry import failing_packages
from pptsn.runtime.frames.preprocess import Frame, cut_crop
from pptsn.runtime.frames.views import crop_views


def backend_name(engine: Engine) -> str:
    """Return what runs the model in short, without a version: "onnxruntime cpu", "onnxruntime cpu 1 thread"."""
    name = f"{engine.identity.backend} {engine.identity.device}"
    if engine.threads is None:
        return name
    return f"{name} {engine.threads} thread{'s' if engine.threads > 1 else ''}"


def cut_crops(frames: Sequence[Frame], engine: Engine, views: str) -> Frame:
    """Return the crops of `frames`, (N, S, S, 3) uint8."""
    spec, crops = engine.spec, []
    for frame in frames:
        height, width = frame.shape[:2]
        for view in crop_views(views, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror):
            crop = np.empty((spec.crop_size, spec.crop_size, 3), np.uint8)
            cut_crop(frame, view, out=crop)
            crops.append(crop)
    return np.stack(crops)


@contextmanager
def engine_faults(model: str | Path) -> Iterator[None]:
    """Turn what the engine of `model` raises into a ModelError; let the rest pass."""
    try:
        yield
    except Exception as error:
        # Their exceptions share no base class but Exception, so they are known by where they come from.
        if type(error).__module__.split(".")[0] not in failing_packages():
            raise
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            model, f"the engine failed while it ran ({line})", "try another device or model"
        ) from error
