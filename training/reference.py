"""Real frames by which an export is proven, beside the drawn pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pptsn.runtime.classify.clips import ClipFrame, Source, clip_frames
from pptsn.runtime.frames.preprocess import Frame, cut_crop
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.model.spec import ModelSpec


def real_crops(clips: Sequence[Source], spec: ModelSpec) -> Frame:
    """Return the centre crop of the middle frame of each of `clips`, (len(clips), S, S, 3) uint8 RGB.

    Raises the InputError of a clip that cannot be read.
    """
    crops = np.empty((len(clips), spec.crop_size, spec.crop_size, 3), np.uint8)
    for item in clip_frames(clips, spec, segments=1, rule="centre"):
        if isinstance(item, ClipFrame):
            height, width = item.pixels.shape[:2]
            (view,) = crop_views("center", width, height, size=spec.crop_size, mirror_in_graph=True)
            cut_crop(item.pixels, view, out=crops[item.clip])
        elif item.error is not None:
            raise item.error
    return crops
