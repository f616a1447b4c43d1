"""The engine by itself: crops cut beforehand, and nothing else around its calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.preprocess import Frame, crop_views, cut_crop


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


def infer_all(engine: Engine, crops: Frame) -> None:
    """Run the engine on `crops`, a batch at a time."""
    for start in range(0, len(crops), engine.batch_size):
        engine.infer(crops[start : start + engine.batch_size])
