"""What is gathered of clips while their frames come: the logits of their crops, and what was asked for besides."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.classify.batching import CropBatcher, LogitSum
from pptsn.runtime.classify.evidence import CropLogits, FrameNotes
from pptsn.runtime.decoding.clips import ClipFrame
from pptsn.runtime.engines.base import Engine


@dataclass(frozen=True)
class Gathered:
    """All of one clip.  crop_logits: None where they were not asked for."""

    logits: LogitSum
    crop_logits: CropLogits | None = None


class ClipGatherer(Closing):
    """Takes frames of clips in any order, runs the engine on their crops, and hands over clip by clip what came.

    views: the crops of each frame.  evidence: keep the logits of each crop, which is memory for a clip until it is
    taken.
    """

    def __init__(self, engine: Engine, *, views: str, batch_size: int | None, evidence: bool = False) -> None:
        self._batcher = CropBatcher(engine, views=views, batch_size=batch_size, keep_rows=evidence)
        self._views, self._evidence = views, evidence
        self._notes: dict[int, FrameNotes] = {}

    def add(self, frame: ClipFrame) -> None:
        """Take one frame, whose pixels are not needed any more when it returns; may run the engine."""
        if self._evidence:
            self._notes.setdefault(frame.clip, FrameNotes(self._views)).add(frame)
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

    def take(self, clip: int) -> Gathered | None:
        """Hand over what was gathered of a complete clip, and forget it; None where no frame of it came."""
        logits, notes = self._batcher.take(clip), self._notes.pop(clip, None)
        if logits is None:
            return None
        kept = None if notes is None or logits.rows is None else notes.crop_logits(logits.rows)
        return Gathered(logits, kept)

    def close(self) -> None:
        """Give the engine's batches back; what was not flushed is dropped."""
        self._batcher.close()
