"""Many clips one after another, against the engine alone on as many crops: what decoding costs beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.decoding.clips import ClipEnd, clip_frames
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.lending import infer_through
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.frames.sampling import sampling_rule
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.recognizer import Recognizer
from tools.targets.target import Target

FOLDER = Target(
    name="share_of_engine_percent",
    what="crops a second of a folder of clips, of the engine's own at the same batch",
    unit="%",
    at_least=97,
)

# The engine alone runs for about as many crops as some clips take, before and after each part of the folder: an
# even number of full batches, so that of two that are worked on side by side none is left to the end.
_ENGINE_CROPS = 240


def measure_folder(
    engine: Engine, clips: Sequence[Path], method: Method, *, model: str, segments: int, views: str
) -> Result:
    """Return the share of the engine's own speed that classifying `clips` reaches.

    The clips are taken in `method.repeats` parts, and the engine alone runs before and after each part, so that
    a machine whose speed changes is compared with itself.  Frames that a short clip gives several times are
    inferred once, so the crops are counted as they are inferred.  Raises UsageError without clips.
    """
    if not clips:
        raise UsageError("--folder", "holds no clip that can be read", "name another")
    crops = drawn_crops(_ENGINE_CROPS, engine.spec.crop_size)
    _engine_rate(engine, crops[: engine.batch_size])
    shares, rates, alone = [], [], [_engine_rate(engine, crops)]
    run = _Run(engine, segments=segments, views=views)
    for part in _parts(clips, method.repeats):
        method.watch.look()
        rates.append(run.rate(part))
        alone.append(_engine_rate(engine, crops))
        shares.append(100 * rates[-1] / ((alone[-2] + alone[-1]) / 2))
    decoding = processor_s(clips, engine, segments=segments) / run.total_s
    measured = over_repeats(FOLDER.name, shares, unit="%", better="higher", samples=len(clips))
    facts = {
        "clips": len(clips),
        "crops": run.crops,
        "unreadable": run.failures,
        "decode_share_of_a_core": decoding,
    }
    remark = (
        f"Decoding, sampling and resizing alone take {decoding:.1%} of one core's time meanwhile, of "
        f"{available_cores()} that the engine fills."
    )
    return FOLDER.result(
        measured,
        over_repeats("crops_per_s", rates, unit="crops/s", better="higher"),
        over_repeats("engine_crops_per_s", alone, unit="crops/s", better=""),
        settings={"model": model, "segments": segments, "views": views, "batch": engine.batch_size},
        facts=facts,
        remark=remark,
    )


class _Run:
    """Classifies clips and adds up what they took."""

    def __init__(self, engine: Engine, *, segments: int, views: str) -> None:
        self._engine, self._segments, self._views = engine, segments, views
        self.total_s = 0.0
        self.crops = 0
        self.failures: list[str] = []

    def rate(self, clips: Sequence[Path]) -> float:
        """Return the crops inferred a second."""
        recognizer = Recognizer(self._engine)
        crops = 0
        started_s = time.perf_counter()
        for result in recognizer.classify_many(clips, segments=self._segments, views=self._views):
            if isinstance(result, Failure):
                self.failures.append(str(result.error))
            else:
                crops += self._crops_of(result)
        took_s = time.perf_counter() - started_s
        self.total_s += took_s
        self.crops += crops
        return crops / took_s

    def _crops_of(self, result: Classification) -> int:
        """Return the crops that the engine got: a frame that is chosen several times is inferred once."""
        chosen = sampling_rule(PUBLISHED.sampling)(result.frames, self._segments)
        return len(set(chosen)) * view_count(self._views, mirror_in_graph=self._engine.spec.mirror)


def processor_s(clips: Sequence[Path], engine: Engine, *, segments: int) -> float:
    """Return the processor seconds, of all threads, that decoding, sampling and resizing `clips` take alone."""
    started_s = time.process_time()
    for _ in clip_frames(clips, engine.spec, segments=segments, rule=PUBLISHED.sampling):
        pass
    return time.process_time() - started_s


def readable_clips(clips: Sequence[Path], engine: Engine) -> list[Path]:
    """Return those of `clips` that can be read."""
    ends = (
        item
        for item in clip_frames(clips, engine.spec, segments=1, rule=PUBLISHED.sampling)
        if isinstance(item, ClipEnd)
    )
    return [clips[end.clip] for end in ends if end.error is None]


def _engine_rate(engine: Engine, crops: Frame) -> float:
    """Return how many of `crops` a second the engine infers, with as many batches in flight as in the folder."""
    with ExitStack() as lent:
        batches = [lent.enter_context(batch) for batch in engine.new_batches()]
        started_s = time.perf_counter()
        infer_through(batches, crops)
        return len(crops) / (time.perf_counter() - started_s)


def _parts(clips: Sequence[Path], count: int) -> Iterator[Sequence[Path]]:
    size = -(-len(clips) // count)
    for start in range(0, len(clips), size):
        yield clips[start : start + size]
