"""What live classification costs beyond its parts: one stream, many streams, segments, latency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pptsn.benchmarks.measure.engines import cut_crops
from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.percentiles import over_repeats, percentile, percentile_over_repeats
from pptsn.benchmarks.measure.results import Result, Setting
from pptsn.runtime.engines import Engine
from tools.targets.pipelines import STEP_S, infer_all, run_pipeline, sampled_frames, settings_for
from tools.targets.target import Target

ONE_STREAM = Target(
    name="one_stream_added_percent",
    what="one file as a stream, beyond decoding, resizing and inferring its frames",
    unit="%",
    at_most=5,
)
MANY_STREAMS = Target(
    name="eight_streams_share_percent",
    what="frames a second of eight files at once, of the engine's own",
    unit="%",
    at_least=95,
)
SEGMENTS = Target(
    name="segments_added_percent", what="a prediction with 25 segments, beyond one with 3", unit="%", at_most=5
)
LATENCY = Target(
    name="latency_p99_periods",
    what="capture to prediction at 30 frames a second, p99 in periods of sampled frames",
    unit="periods",
    at_most=2,
)

_STREAMS = 8
_FEW, _MANY = 3, 25
_LIVE = "synthetic:?live=1&fps=30&size=1280x720&seconds="


def measure_one_stream(engine: Engine, clip: Path, method: Method, *, model: str) -> Result:
    """Return what the pipeline adds to decoding, resizing and inferring a file's frames one after another."""
    source = str(clip)
    shares = _compared(
        lambda: run_pipeline(engine, [source], settings_for()),
        lambda: infer_all(engine, cut_crops(sampled_frames(source, engine), engine, "center")),
        method,
    )
    added = [100 * (share - 1) for share in shares]
    measured = over_repeats(ONE_STREAM.name, added, unit="%", better="lower")
    return ONE_STREAM.result(measured, settings=_settings(model, clip, "center"))


def measure_many_streams(engine: Engine, clip: Path, method: Method, *, model: str, views: str) -> Result:
    """Return the frames a second of eight files at once, as a share of the engine's own at the same batch."""
    source = str(clip)
    crops = np.concatenate([cut_crops(sampled_frames(source, engine), engine, views)] * _STREAMS)
    shares = _compared(
        lambda: infer_all(engine, crops),
        lambda: run_pipeline(engine, [source] * _STREAMS, settings_for(views=views)),
        method,
    )
    measured = over_repeats(MANY_STREAMS.name, [100 * share for share in shares], unit="%", better="higher")
    return MANY_STREAMS.result(measured, settings=_settings(model, clip, views))


def measure_segments(engine: Engine, clip: Path, method: Method, *, model: str) -> Result:
    """Return what a prediction costs with many segments, beyond one with few; one with each sampled frame."""
    source = str(clip)
    shares = _compared(
        lambda: run_pipeline(engine, [source], settings_for(_MANY)),
        lambda: run_pipeline(engine, [source], settings_for(_FEW)),
        method,
    )
    added = [100 * (share - 1) for share in shares]
    measured = over_repeats(SEGMENTS.name, added, unit="%", better="lower")
    return SEGMENTS.result(measured, settings=_settings(model, clip, "center"))


def measure_latency(engine: Engine, method: Method, *, model: str, seconds: float) -> Result:
    """Return the age of predictions on a live source of 30 frames a second, `seconds` in all repeats each."""
    ages = []
    for _ in range(method.repeats):
        method.watch.look()
        ages.append(run_pipeline(engine, [f"{_LIVE}{seconds:g}"], settings_for()))
    in_periods = [[age_ms / (1000 * STEP_S) for age_ms in repeat] for repeat in ages]
    measured = percentile_over_repeats(LATENCY.name, 0.99, in_periods, unit=LATENCY.unit)
    return LATENCY.result(
        measured,
        percentile_over_repeats("latency_p50_ms", 0.5, ages),
        percentile_over_repeats("latency_p99_ms", 0.99, ages),
        settings={"model": model, "views": "center"},
    )


def _compared(first: Callable[[], object], second: Callable[[], object], method: Method) -> list[float]:
    """Return how many times as long `first` took as `second`, repeat by repeat."""
    times = measure_in_turn({"first": first, "second": second}, method)
    pairs = zip(times["first"], times["second"], strict=True)
    return [percentile(a, 0.5) / percentile(b, 0.5) for a, b in pairs]


def _settings(model: str, clip: Path, views: str) -> dict[str, Setting]:
    return {"model": model, "clip": clip.name, "views": views}
