"""What the process that feeds the devices does for a clip: Python's lock lets one core of it work at a time."""

from __future__ import annotations

import time

from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.decoding.clips import ClipFrame
from pptsn.runtime.model.spec import ModelSpec
from tools.pacing.stand_in import StandInDecoder, StandInEngine

# A clip as it is classified by default: frames, and the pixels of one that was resized from 4:3.
_FRAMES, _HEIGHT, _WIDTH = 25, 256, 341
_CLASSES, _BATCH, _DECODERS = 400, 64, 2


def feeding_s(clips: int, *, views: str = "ten") -> float:
    """Return the seconds of CPU that this process takes for a clip, the mean over `clips`.

    That is hearing the decoders, cutting crops into batches and adding up logits.  Decoders and engine are
    stand-ins that take no time.
    """
    labels = tuple(map(str, range(_CLASSES)))
    spec = ModelSpec(depth=50, labels=labels, weights_digest="0" * 64, mirror=True)
    engine = StandInEngine(spec, batch_s=0.0, batch_size=_BATCH)
    decoder = StandInDecoder(0.0, _FRAMES, _HEIGHT, _WIDTH)
    with decoder.pool(clips, _DECODERS) as pool, CropBatcher(engine, views=views) as batcher:
        started_s, done = time.process_time(), 0
        for item in pool:
            if isinstance(item, ClipFrame):
                batcher.add(item.clip, item.pixels, item.weight, ready_s=item.ready_s)
            while done < item.clip and batcher.is_complete(done):
                if gathered := batcher.take(done):
                    gathered.mean()
                done += 1
        batcher.flush()
        return (time.process_time() - started_s) / clips
