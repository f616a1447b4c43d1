"""A pool of decoders beside a stand-in for a GPU: how much of the slower one's rate both together reach."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.decoding.ahead import decoded_ahead
from pptsn.runtime.decoding.clips import ClipEnd
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.recognizer import Recognizer
from tools.pacing.stand_in import StandInEngine
from tools.targets.target import Target

POOL = Target(
    name="share_of_slower_percent",
    what="clips a second with a stand-in engine, of the engine's or the decoders' own, whichever is less",
    unit="%",
    at_least=95,
)
BATCH_S, BATCH_SIZE = 0.06, 64


def measure_pool(
    spec: ModelSpec, clip: Path, method: Method, *, decoders: int, clips: int, segments: int, views: str
) -> Result:
    """Return the share that classifying `clip` so many times reaches with `decoders`.

    The decoders alone run before and after each repeat.  The start of the processes and the last batches, in which
    one of the two has nothing to do, count.
    """
    crops = segments * view_count(views, mirror_in_graph=spec.mirror)
    engine_rate = BATCH_SIZE / BATCH_S / crops
    sources = [clip] * clips
    shares, rates = [], []
    alone = [_decoding_rate(spec, sources, decoders, segments)]
    for _ in range(method.repeats):
        method.watch.look()
        engine = StandInEngine(spec, batch_s=BATCH_S, batch_size=BATCH_SIZE)
        started_s = time.perf_counter()
        results = Recognizer(engine).classify_many(sources, segments=segments, views=views, decoders=decoders)
        answered = sum(isinstance(result, Classification) for result in results)
        rates.append(answered / (time.perf_counter() - started_s))
        alone.append(_decoding_rate(spec, sources, decoders, segments))
        shares.append(100 * rates[-1] / min(engine_rate, (alone[-2] + alone[-1]) / 2))
    return POOL.result(
        over_repeats(POOL.name, shares, unit=POOL.unit, better="higher", samples=clips),
        over_repeats("clips_per_s", rates, unit="clips/s", better="higher"),
        over_repeats("decoders_clips_per_s", alone, unit="clips/s", better=""),
        settings={"decoders": decoders, "segments": segments, "views": views, "batch_ms": 1000 * BATCH_S},
        facts={"clips": clips, "engine_clips_per_s": engine_rate},
    )


def _decoding_rate(spec: ModelSpec, sources: Sequence[Path], decoders: int, segments: int) -> float:
    """Return the clips that `decoders` decode a second while nothing else is done."""
    started_s = time.perf_counter()
    with decoded_ahead(sources, spec, segments=segments, rule=PUBLISHED.sampling, decoders=decoders) as decoded:
        ended = sum(isinstance(item, ClipEnd) for item in decoded)
    return ended / (time.perf_counter() - started_s)
