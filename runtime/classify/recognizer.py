"""Classifying videos, as files, as frames, or as they come: the runtime's front door."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.base.stages import FOR_FRAMES, stage
from pptsn.runtime.classify.batching import CHECK_MODEL, NOT_FINITE
from pptsn.runtime.classify.gathering import ClipGatherer
from pptsn.runtime.classify.lists import require_class
from pptsn.runtime.classify.results import Classification, Failure, Timing, Truth
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.ahead import decoded_ahead
from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame, ClipItem, Given, as_source
from pptsn.runtime.decoding.decoders import Decoders, decoder_count
from pptsn.runtime.decoding.given import Frames, Times
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import require_engine
from pptsn.runtime.engines.tuning import FAST
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.stream.actions.thresholds import EventSettings
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.workers.feed import Exhausted, Feed

if TYPE_CHECKING:
    from pptsn.runtime.stream.pipeline.frame_stream import FrameStream

# Without a new frame for this long, a batch runs as far as it is filled, so that no answer is held back.
_IDLE_S = 0.05


class Recognizer(Closing):
    """A model that classifies videos.  A context manager; not for several threads at once.

    with Recognizer.open("model.onnx") as recognizer:
        recognizer.classify("clip.mp4").top(5)

    batch_size: crops a call of the engine; None takes the engine's own number.
    Raises TypeError for what is no Engine, such as a path: that is for `open`.
    """

    def __init__(self, engine: Engine, *, batch_size: int | None = None) -> None:
        require_engine(engine, taker="Recognizer", opener="Recognizer.open")
        self._engine, self._batch_size = engine, batch_size

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        backend: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        tuning: str = FAST,
        crops: int | None = None,
    ) -> Recognizer:
        """Load the model at `path`; arguments and errors are those of `pptsn.runtime.engines.open_engine`."""
        engine = open_engine(path, backend=backend, device=device, threads=threads, tuning=tuning, crops=crops)
        return cls(engine)

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self._engine.spec

    @property
    def description(self) -> str:
        """What runs it: backend, version and device."""
        return self._engine.description

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how it runs here, such as why it does not run on the GPU."""
        return self._engine.notes

    @property
    def details(self) -> tuple[str, ...]:
        """How it runs, for who asks: known once something was classified."""
        return self._engine.details or (self.description,)

    def classify(
        self,
        source: Given,
        *,
        times_s: Times | None = None,
        bgr: bool = False,
        segments: int | None = None,
        views: str | None = None,
        sampling: str | None = None,
        accept_damaged: bool = ClassifySettings.accept_damaged,
        evidence: bool = ClassifySettings.evidence,
    ) -> Classification:
        """Return the answer for one clip: a video file, a folder of extracted frames, or frames of the program.

        source: a path, an array (T, H, W, 3) uint8 RGB, or an iterable of arrays (H, W, 3); see Frames.  They
            give the same logits, to the bit, as a file that decodes to the same frames.
        times_s, bgr: of frames, see Frames.
        segments, views, sampling, accept_damaged, evidence: see ClassifySettings.
        Raises InputError for a source that cannot be used and UsageError for the other arguments.
        """
        (result,) = self.classify_many(
            [_one_source(source, times_s, bgr=bgr)],
            segments=segments,
            views=views,
            sampling=sampling,
            accept_damaged=accept_damaged,
            evidence=evidence,
            decoders=0,
        )
        if isinstance(result, Failure):
            raise result.error
        return result

    def classify_many(
        self,
        sources: Iterable[Given],
        *,
        segments: int | None = None,
        views: str | None = None,
        sampling: str | None = None,
        decoders: Decoders = ClassifySettings.decoders,
        accept_damaged: bool = ClassifySettings.accept_damaged,
        evidence: bool = ClassifySettings.evidence,
        note: Callable[[str], None] | None = None,
    ) -> Iterator[Classification | Failure]:
        """Yield the answer, or the Failure, of each source, in their order.

        sources: paths, arrays (T, H, W, 3) uint8 RGB, iterables of arrays (H, W, 3); or Frames, for what has
            times, OpenCV's channels or a name.  Others are called `clip 0`, `clip 1` and so on, by their place.
            Labelled, for those whose class is known: their answers have `truth` and `right`.
        Sources are decoded by a thread or by other processes, a bounded number of frames ahead of their inference;
        crops of several share a batch.  Arguments are checked before the first source is opened.
        Frames are taken by a thread of this process, and so are the files in a list with any, and after a first
        source that is frames.  Where an iterable begins with files, frames after them need `decoders=0`.
        segments, views, sampling, decoders, accept_damaged, evidence: see ClassifySettings.
        note: told, by whatever thread, what `auto` takes of what `pptsn tune` found, and where fewer processes
            decode than should.
        """
        _require_several(sources)
        settings = ClassifySettings(
            segments=segments,
            views=views,
            sampling=sampling,
            decoders=decoders,
            accept_damaged=accept_damaged,
            evidence=evidence,
        )
        return self.classify_by(settings, sources, note=note)

    def classify_by(
        self, settings: ClassifySettings, sources: Iterable[Given], *, note: Callable[[str], None] | None = None
    ) -> Iterator[Classification | Failure]:
        """Yield what `classify_many` does, for settings that were checked before."""
        protocol = settings.changing(self.spec.protocol)
        ended: deque[ClipEnd] = deque()
        labels: dict[int, int] = {}
        found = self._engine.decoding
        decoders = decoder_count(
            settings.decoders,
            sources,
            busy_cores=self._busy_cores(),
            found=None if found is None else found.for_clips_of(protocol.crops(1)),
            note=note,
        )
        with (
            ClipGatherer(
                self._engine, views=protocol.views, batch_size=self._batch_size, evidence=settings.evidence
            ) as gatherer,
            decoded_ahead(
                sources,
                self.spec,
                segments=protocol.segments,
                rule=protocol.sampling,
                accept_damaged=settings.accept_damaged,
                decoders=decoders,
                labels=labels,
                note=note,
            ) as frames,
        ):
            exhausted = False
            while not exhausted:
                exhausted = self._take_next(frames, gatherer, ended)
                while ended and gatherer.is_complete(ended[0].clip):
                    end = ended.popleft()
                    yield self._judged(self._result(end, gatherer, protocol), labels.pop(end.clip, None))

    def stream(
        self,
        *,
        window_s: float | None = None,
        segments: int | None = None,
        every_s: float | None = None,
        views: str | None = None,
        smoothing_s: float = EventSettings.smoothing_s,
        max_gap_s: float = StreamSettings.max_gap_s,
        fps: float | None = None,
        bgr: bool = False,
        name: str = "stream",
    ) -> FrameStream:
        """Return what takes frames one by one, and gives the predictions of `pptsn stream` for such a video.

        window_s, segments, every_s, views, max_gap_s: see StreamSettings.  smoothing_s: the time constant of an
            exponential mean over scores, in seconds; 0: none.
        fps, bgr, name: see FrameStream.
        Several streams may be open at a time, and `classify` may be called meanwhile.
        Raises UsageError for what makes no sense.
        """
        from pptsn.runtime.stream.pipeline.frame_stream import FrameStream  # not where files are classified

        settings = StreamSettings(
            window_s=window_s, segments=segments, every_s=every_s, views=views, max_gap_s=max_gap_s
        )
        return FrameStream(self._engine, settings, smoothing_s=smoothing_s, fps=fps, bgr=bgr, name=name)

    def _busy_cores(self) -> int:
        """Return the cores that inference keeps busy: on a GPU, the one of the thread that feeds it."""
        engine = self._engine
        return 1 if engine.identity.on_gpu else engine.threads or available_cores()

    @staticmethod
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

    def _result(self, end: ClipEnd, gatherer: ClipGatherer, protocol: Protocol) -> Classification | Failure:
        if end.error is not None:
            gatherer.forget(end.clip)
            return Failure(end.source, end.error)
        gathered = gatherer.take(end.clip)
        if gathered is None:
            return Failure(end.source, InputError(end.source, "gave no frame"))
        if not gathered.logits.is_finite:
            return Failure(end.source, ModelError(end.source, NOT_FINITE, CHECK_MODEL))
        total_ms = 1000 * (time.perf_counter() - end.started_s)
        return Classification(
            source=end.source,
            frames=end.frames,
            duration_s=end.duration_s,
            protocol=protocol,
            logits=gathered.logits.mean(),
            labels=self.spec.labels,
            temperature=self.spec.temperature,
            timing=Timing(end.decode_ms, gathered.logits.inference_ms, total_ms),
            lost_frames=end.lost_frames,
            warnings=end.warnings,
            crop_logits=gathered.crop_logits,
        )

    def _judged(self, result: Classification | Failure, label: int | None) -> Classification | Failure:
        """Return `result` with its truth, for a clip with a label; a Failure for one of no class of the model."""
        if label is None:
            return result
        try:
            require_class(label, self.spec.classes, result.source, "give it a class of the model")
        except InputError as error:
            return Failure(result.source, error)
        return replace(result, truth=Truth(int(label), self.spec.labels[label]))

    def close(self) -> None:
        """Release the model."""
        self._engine.close()


def _one_source(source: Given, times_s: Times | None, *, bgr: bool) -> Given:
    """Return `source` with what is said of its frames; raises UsageError where it is none of them."""
    if times_s is None and not bgr:
        return as_source(source)
    frames = as_source(source)
    if frames is source or not isinstance(frames, Frames):
        what = "Frames has its own" if isinstance(source, Frames) else f"the source is {type(source).__name__}"
        raise UsageError("classify", f"times_s and bgr are for an array or an iterable of frames, {what}")
    return replace(frames, times_s=times_s, bgr=bgr)


def _require_several(sources: object) -> None:
    """Raise UsageError for what is one source, or none, rather than an iterable of them."""
    is_one = isinstance(sources, (str, bytes, os.PathLike, Frames)) or getattr(sources, "ndim", None) in (3, 4)
    if is_one or not (hasattr(sources, "__iter__") or hasattr(sources, "__getitem__")):
        what = repr(sources) if isinstance(sources, (str, bytes, os.PathLike)) else type(sources).__name__
        raise UsageError("classify_many", f"expected several sources, got {what}", "give a list, or call classify")
