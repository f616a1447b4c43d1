"""What the thread that fills the engine's batches takes for a clip: a process has one."""

from __future__ import annotations

import time

import numpy as np

from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.model.spec import ModelSpec
from tools.pacing.stand_in import StandInEngine

# A clip as it is classified by default: frames, and the pixels of one that was resized from 4:3.
_FRAMES, _HEIGHT, _WIDTH = 25, 256, 341
_CLASSES, _BATCH = 400, 64


def feeding_s(clips: int, *, views: str = "ten") -> float:
    """Return the seconds that cutting the crops of a clip and adding up its logits takes, the mean over `clips`.

    The engine is a stand-in that needs no time.
    """
    labels = tuple(map(str, range(_CLASSES)))
    spec = ModelSpec(depth=50, labels=labels, weights_digest="0" * 64, mirror=True)
    engine = StandInEngine(spec, batch_s=0.0, batch_size=_BATCH)
    pixels = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    with CropBatcher(engine, views=views) as batcher:
        started_s = time.perf_counter()
        for clip in range(clips):
            for _ in range(_FRAMES):
                batcher.add(clip, pixels, 1)
        batcher.flush()
        for clip in range(clips):
            gathered = batcher.take(clip)
            if gathered is not None:
                gathered.mean()
        return (time.perf_counter() - started_s) / clips
