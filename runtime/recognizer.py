"""Classifying videos, as files, as frames, or as they come: the runtime's front door."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.runtime.base.options import check_whole
from pptsn.runtime.classify.batching import CHECK_MODEL, NOT_FINITE
from pptsn.runtime.classify.features import ClipFeatures
from pptsn.runtime.classify.gathering import ClipGatherer, Gathered, gathered_of
from pptsn.runtime.classify.given import UntilRaised, one_source, require_several
from pptsn.runtime.classify.lists import require_class
from pptsn.runtime.classify.results import Classification, Failure, Timing, Truth
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.ahead import decoded_ahead
from pptsn.runtime.decoding.clips import ClipEnd, Given
from pptsn.runtime.decoding.decoders import Decoders, decoder_count
from pptsn.runtime.decoding.given import Times
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import require_engine
from pptsn.runtime.engines.tuning import FAST
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.model.spec import ModelSpec

if TYPE_CHECKING:
    from pptsn.runtime.stream.pipeline.frame_stream import FrameStream

_MOST_CROPS = 10_000  # which take 1.5 GB
_Result = TypeVar("_Result", Classification, ClipFeatures)


class Recognizer(Closing):
    """A model that classifies videos.  A context manager; not for several threads at once.

    with Recognizer.open("model.onnx") as recognizer:
        recognizer.classify("clip.mp4").top(5)

    batch_size: crops a call of the engine; None takes the engine's own number.
    Raises TypeError for what is no Engine, such as a path: that is for `open`; UsageError for another batch_size.
    Once it is closed, calls raise ClosedError, a UsageError and a ValueError.
    """

    def __init__(self, engine: Engine, *, batch_size: int | None = None) -> None:
        require_engine(engine, taker="Recognizer", opener="Recognizer.open")
        if batch_size is not None:
            check_whole(batch_size, "batch_size", least=1, most=_MOST_CROPS)
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

        source: a path, the URL of a file (http, https), an array (T, H, W, 3) uint8 RGB, or an iterable of arrays
            (H, W, 3); see Frames.  Frames give the same logits, to the bit, as a file that decodes to them.
        times_s, bgr: of frames, see Frames.
        segments: frames to look at.  views: crops of each, `ten`, `three` or `center`.  sampling: which frames,
            `centre` or `linspace`.  None leaves each to the model.
        accept_damaged: answer, with a warning, for a video of which nearly all pictures are damaged.
        evidence: keep the logits of each crop of each frame; see `Classification.evidence`.
        Raises InputError for a source that cannot be used and UsageError for the other arguments.
        """
        results = self.classify_many(
            [one_source(source, times_s, bgr=bgr, caller="classify")],
            segments=segments,
            views=views,
            sampling=sampling,
            accept_damaged=accept_damaged,
            evidence=evidence,
            decoders=0,
        )
        return _only(results)

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

        sources: paths, URLs of files, arrays (T, H, W, 3) uint8 RGB, iterables of arrays (H, W, 3); or Frames, for
            what has times, OpenCV's channels or a name.  Others are called `clip 0`, `clip 1` and so on, by place.
            Labelled, for those whose class is known: their answers have `truth` and `right`.
        Sources are decoded by a thread or by other processes, a bounded number of frames ahead of their inference;
        crops of several share a batch.  Arguments are checked before the first source is opened.
        What an iterable of sources raises comes after the answers of those before.
        Frames are taken by a thread of this process, and so are the files in a list with any, and after a first
        source that is frames.  Where an iterable begins with files, frames after them need `decoders=0`.
        segments, views, sampling, accept_damaged, evidence: as of `classify`.
        decoders: processes that decode; 0 for a thread of this one, "auto" for as many as `pptsn classify` takes.
        note: told, by whatever thread, what `auto` takes of what `pptsn tune` found, and where fewer processes
            decode than should.
        """
        require_several(sources, caller="classify_many")
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
        with closing(self._results(settings, sources, note=note)) as results:
            for result, _ in results:
                yield result

    def features(
        self,
        source: Given,
        *,
        times_s: Times | None = None,
        bgr: bool = False,
        segments: int | None = None,
        views: str | None = None,
        sampling: str | None = None,
        accept_damaged: bool = ClassifySettings.accept_damaged,
    ) -> ClipFeatures:
        """Return the pooled vectors of one clip and of its frames, with its answer, by one run of the network.

        Arguments are those of `classify`.
        Raises what `classify` raises, and UsageError for a model or a backend that gives no features.
        """
        results = self.features_many(
            [one_source(source, times_s, bgr=bgr, caller="features")],
            segments=segments,
            views=views,
            sampling=sampling,
            accept_damaged=accept_damaged,
            decoders=0,
        )
        return _only(results)

    def features_many(
        self,
        sources: Iterable[Given],
        *,
        segments: int | None = None,
        views: str | None = None,
        sampling: str | None = None,
        decoders: Decoders = ClassifySettings.decoders,
        accept_damaged: bool = ClassifySettings.accept_damaged,
        note: Callable[[str], None] | None = None,
    ) -> Iterator[ClipFeatures | Failure]:
        """Yield what `features` gives of each source, or its Failure, in their order; else as `classify_many`."""
        require_several(sources, caller="features_many")
        self._engine.require_features()
        settings = ClassifySettings(
            segments=segments, views=views, sampling=sampling, decoders=decoders, accept_damaged=accept_damaged
        )
        return self._features_by(settings, sources, note=note)

    def _features_by(
        self, settings: ClassifySettings, sources: Iterable[Given], *, note: Callable[[str], None] | None
    ) -> Iterator[ClipFeatures | Failure]:
        with closing(self._results(settings, sources, note=note, features=True)) as results:
            for result, gathered in results:
                if isinstance(result, Failure):
                    yield result
                elif gathered is not None and gathered.features is not None:
                    yield ClipFeatures(*gathered.features, result)

    def _results(
        self,
        settings: ClassifySettings,
        sources: Iterable[Given],
        *,
        note: Callable[[str], None] | None,
        features: bool = False,
    ) -> Generator[tuple[Classification | Failure, Gathered | None], None, None]:
        """Yield the result of each clip, in their order, with what was gathered of it."""
        protocol = settings.changing(self.spec.protocol)
        labels: dict[int, int] = {}
        given = UntilRaised(sources)
        found = self._engine.decoding
        decoders = decoder_count(
            settings.decoders,
            given.sources,
            busy_cores=self._busy_cores(),
            found=None if found is None else found.for_clips_of(protocol.crops(1)),
            note=note,
        )
        with (
            ClipGatherer(
                self._engine,
                protocol=protocol,
                settings=settings,
                batch_size=self._batch_size,
                features=features,
            ) as gatherer,
            decoded_ahead(
                given.sources,
                self.spec,
                segments=protocol.segments,
                rule=protocol.sampling,
                accept_damaged=settings.accept_damaged,
                decoders=decoders,
                labels=labels,
                note=note,
            ) as frames,
        ):
            for end, gathered in gathered_of(frames, gatherer):
                result = self._result(end, gathered, protocol)
                yield self._judged(result, labels.pop(end.clip, None)), gathered
            given.tell()

    def stream(
        self,
        *,
        window_s: float | None = None,
        segments: int | None = None,
        every_s: float | None = None,
        views: str | None = None,
        smoothing_s: float | None = None,
        max_gap_s: float | None = None,
        fps: float | None = None,
        bgr: bool = False,
        name: str = "stream",
    ) -> FrameStream:
        """Return what takes frames one by one, and gives the predictions of `pptsn stream` for such a video.

        window_s, segments, every_s, views, max_gap_s: see StreamSettings.  smoothing_s: the time constant of an
            exponential mean over scores, in seconds; 0: none.  None is the default of `pptsn stream`, for each.
        fps, bgr, name: see FrameStream.
        Several streams may be open at a time, and `classify` may be called meanwhile.
        Raises UsageError for what makes no sense.
        """
        # Not where files are classified, whose first answer would come later.
        from pptsn.runtime.stream.pipeline.frame_stream import FrameStream
        from pptsn.runtime.stream.pipeline.settings import StreamSettings

        settings = StreamSettings(window_s=window_s, segments=segments, every_s=every_s, views=views)
        if max_gap_s is not None:
            settings = replace(settings, max_gap_s=max_gap_s)
        return FrameStream(self._engine, settings, smoothing_s=smoothing_s, fps=fps, bgr=bgr, name=name)

    def _busy_cores(self) -> int:
        """Return the cores that inference keeps busy: on a GPU, the one of the thread that feeds it."""
        engine = self._engine
        return 1 if engine.identity.on_gpu else engine.threads or available_cores()

    def _result(self, end: ClipEnd, gathered: Gathered | None, protocol: Protocol) -> Classification | Failure:
        if end.error is not None:
            return Failure(end.source, end.error)
        if gathered is None:
            return Failure(end.source, InputError(end.source, "gave no frame"))
        if not gathered.is_finite:
            return Failure(end.source, ModelError(end.source, NOT_FINITE, CHECK_MODEL))
        total_ms = 1000 * (time.perf_counter() - end.started_s)
        return Classification(
            source=end.source,
            frames=end.frames,
            duration_s=end.duration_s,
            protocol=protocol,
            logits=gathered.logits,
            labels=self.spec.labels,
            temperature=self.spec.temperature,
            timing=Timing(end.decode_ms, gathered.inference_ms, total_ms),
            lost_frames=end.lost_frames,
            warnings=end.warnings,
            served=end.served,
            crop_logits=gathered.crop_logits,
            pictures=gathered.pictures,
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


def _only(results: Iterator[_Result | Failure]) -> _Result:
    """Return the one result there is; raises the error of a Failure."""
    (result,) = results
    if isinstance(result, Failure):
        raise result.error
    return result
