"""What is gathered of clips while their frames come: the logits of their crops, and what was asked for besides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.stages import FOR_FRAMES, stage
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.evidence import CropLogits, FrameNotes
from pptsn.runtime.classify.pictures import ClipPictures
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame, ClipItem
from pptsn.runtime.engines.base import Engine, Features, Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.workers.feed import Exhausted, Feed

# Without a new frame for this long, a batch runs as far as it is filled, so that no answer is held back.
_IDLE_S = 0.05


@dataclass(frozen=True)
class Gathered:
    """All of one clip.

    logits: (C,) float32, the mean over frames and crops.  is_finite: whether all that came were numbers.
    inference_ms: the clip's share of the time that was waited for the engine.
    crop_logits: None where they were not asked for.
    pictures: small ones, none where they were not asked for.
    features: of the clip (D,) and of each segment's frame (S, D), float32; None where they were not asked for.
    """

    logits: Logits
    is_finite: bool
    inference_ms: float
    crop_logits: CropLogits | None = None
    pictures: tuple[Frame, ...] = ()
    features: tuple[Features, Features] | None = None


class ClipGatherer(Closing):
    """Takes frames of clips in any order, runs the engine on their crops, and hands over clip by clip what came.

    protocol: how clips are looked at.
    settings: what is kept besides, evidence or pictures, which is memory for a clip until it is taken.
    features: keep the logits of each crop, and gather features.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        protocol: Protocol,
        settings: ClassifySettings,
        batch_size: int | None,
        features: bool = False,
    ) -> None:
        self._keeps, self._features = settings.evidence or features, features
        self._batcher = CropBatcher(
            engine, views=protocol.views, batch_size=batch_size, keep_rows=self._keeps, features=features
        )
        self._protocol, self._pictures_wanted, self._classes = protocol, settings.pictures, engine.spec.classes
        self._notes: dict[int, FrameNotes] = {}
        self._pictures: dict[int, ClipPictures] = {}

    def add(self, frame: ClipFrame) -> None:
        """Take one frame, whose pixels are not needed any more when it returns; may run the engine."""
        protocol = self._protocol
        if self._keeps:
            self._notes.setdefault(frame.clip, FrameNotes(protocol.views)).add(frame)
        if self._pictures_wanted:
            seen = self._pictures.setdefault(frame.clip, ClipPictures(self._pictures_wanted, protocol.segments))
            seen.add(frame)
        self._batcher.add(frame.clip, frame.pixels, frame.weight, ready_s=frame.ready_s)

    def flush(self) -> None:
        """Run the engine on the crops that wait, and collect all that is in flight."""
        self._batcher.flush()

    def is_complete(self, clip: int) -> bool:
        """Whether all crops of `clip` that were added have their logits."""
        return self._batcher.is_complete(clip)

    def forget(self, clip: int) -> None:
        """Let go what was gathered of a clip whose frames come anew, or that failed."""
        self._batcher.take(clip)
        self._notes.pop(clip, None)
        self._pictures.pop(clip, None)

    def take(self, clip: int) -> Gathered | None:
        """Hand over what was gathered of a complete clip, and forget it; None where no frame of it came."""
        summed, notes = self._batcher.take(clip), self._notes.pop(clip, None)
        seen = self._pictures.pop(clip, None)
        if summed is None:
            return None
        mean, classes = summed.mean(), self._classes
        pictures = () if seen is None else seen.pictures
        gathered = Gathered(mean[:classes], summed.is_finite, summed.inference_ms, pictures=pictures)
        if notes is None or summed.rows is None:
            return gathered
        by_segment = notes.of_segments(summed.rows)
        kept = notes.crop_logits(by_segment[..., :classes])
        if not self._features:
            return replace(gathered, crop_logits=kept)
        by_frame: Features = by_segment[..., classes:].mean(axis=1, dtype=np.float64).astype(np.float32)
        return replace(gathered, crop_logits=kept, features=(mean[classes:], by_frame))

    def close(self) -> None:
        """Give the engine's batches back; what was not flushed is dropped."""
        self._batcher.close()


def gathered_of(frames: Feed[ClipItem], gatherer: ClipGatherer) -> Iterator[tuple[ClipEnd, Gathered | None]]:
    """Yield the end of each clip in `frames`, in their order, with what `gatherer` has; None of a failure."""
    ended: deque[ClipEnd] = deque()
    exhausted = False
    while not exhausted:
        exhausted = _take_next(frames, gatherer, ended)
        while ended and gatherer.is_complete(ended[0].clip):
            end = ended.popleft()
            if end.error is None:
                yield end, gatherer.take(end.clip)
            else:
                gatherer.forget(end.clip)
                yield end, None


def _take_next(frames: Feed[ClipItem], gatherer: ClipGatherer, ended: deque[ClipEnd]) -> bool:
    """Put the next frame into a batch, or the end of a clip with the others; True where there is no next."""
    try:
        with stage(FOR_FRAMES):
            item = frames.get(_IDLE_S if ended else None)
    except TimeoutError:
        gatherer.flush()
    except Exhausted:
        gatherer.flush()
        return True
    else:
        if isinstance(item, ClipFrame):
            gatherer.add(item)
        elif isinstance(item, ClipEnd):
            ended.append(item)
        else:
            gatherer.forget(item.clip)
    return False
