"""The frames that the scenarios infer, cut into crops beforehand, so that no decoding is in the figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.benchmarks.measure.engines import cut_crops
from pptsn.runtime.classify.clips import ClipEnd, ClipFrame, clip_frames
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.model.spec import ModelSpec

# Frames to choose from, and pictures that they are made of.
_FRAMES = 16
_PICTURES = 16


@dataclass(frozen=True)
class SampleLibrary:
    """Frames to choose from; one of them is a sample.

    crops: (frames, crops of a frame, S, S, 3) uint8 RGB.  views: the view plan they were cut by.
    origin: what is on them, for people.
    """

    crops: Frame
    views: str
    origin: str

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def crops_a_frame(self) -> int:
        """How many crops the engine infers for one frame."""
        return int(self.crops.shape[1])


def drawn_samples(spec: ModelSpec, views: str) -> SampleLibrary:
    """Return frames of drawn pictures, the same on every machine.  Raises UsageError for an unknown plan."""
    crops_a_frame = view_count(views, mirror_in_graph=spec.mirror)
    pictures = drawn_crops(_PICTURES, spec.crop_size)
    numbers = np.arange(_FRAMES * crops_a_frame).reshape(_FRAMES, crops_a_frame) % _PICTURES
    return SampleLibrary(np.ascontiguousarray(pictures[numbers]), views, "drawn pictures")


def clip_samples(clip: str | Path, engine: Engine, views: str, *, segments: int) -> SampleLibrary:
    """Return the frames that classifying `clip` looks at.  Raises InputError and UsageError as that does."""
    frames = []
    for item in clip_frames([clip], engine.spec, segments=segments, rule="centre"):
        if isinstance(item, ClipFrame):
            frames.append(item.pixels)
        elif isinstance(item, ClipEnd) and item.error is not None:
            raise item.error
    crops = cut_crops(frames, engine, views)
    size = engine.spec.crop_size
    return SampleLibrary(crops.reshape(len(frames), -1, size, size, 3), views, f"frames of {Path(clip).name}")
