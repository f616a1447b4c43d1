"""From what the runs observed to measurements, and to a sentence that says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pptsn.benchmarks.measure.percentiles import latency_name, least_samples, over_repeats, percentile_over_repeats
from pptsn.benchmarks.measure.results import Measurement
from pptsn.benchmarks.scenarios.definitions import (
    FRAMES_A_QUERY,
    MULTI_STREAM,
    OFFLINE,
    SERVER,
    SHARES,
    TARGET_SHARE,
    Observation,
)
from pptsn.benchmarks.scenarios.search import MLPERF_QUERIES, Peak
from pptsn.benchmarks.scenarios.system import SampleLibrary
from pptsn.runtime.model.spec import ModelSpec

# The note of a percentile of repeats that have too few queries for LoadGen's own.
_CLOCKED = "LoadGen's queries by our own clock, all repeats together: each has too few for LoadGen's summary"


def latency_measurements(scenario: str, observations: Sequence[Observation]) -> tuple[Measurement, ...]:
    """Return the latency of a query at p50, p90 and p99, the one that MLPerf reports first.

    Server's are neither good nor bad: they are those of the rate that was found.
    """
    target, better = TARGET_SHARE[scenario], "" if scenario == SERVER else "lower"
    shares = (target, *(share for share in SHARES if share != target))
    return tuple(_latency(share, observations, better) for share in shares)


def _latency(share: float, observations: Sequence[Observation], better: str) -> Measurement:
    name, needed = latency_name(share), least_samples(share)
    if all(observation.latencies_ms for observation in observations):
        latencies_ms = [observation.latencies_ms for observation in observations]
        return percentile_over_repeats(name, share, latencies_ms, better=better)
    total = sum(observation.queries for observation in observations)
    fewest = min(observation.queries for observation in observations)
    if fewest < needed and all(observation.clocked_ms for observation in observations):
        clocked = [observation.clocked_ms for observation in observations]
        measurement = percentile_over_repeats(name, share, clocked, better=better)
        return replace(measurement, note=measurement.note or _CLOCKED)
    if fewest < needed:
        note = f"needs at least {needed} queries in each repeat, as LoadGen tells a summary alone; got {fewest}"
        return Measurement(name=name, unit="ms", better=better, value=None, samples=total, note=note)
    values = [observation.percentiles_ms[share] for observation in observations]
    return over_repeats(name, values, unit="ms", better=better, samples=total)


def offline_measurements(
    observations: Sequence[Observation], library: SampleLibrary, spec: ModelSpec, *, segments: int
) -> tuple[Measurement, ...]:
    """Return the throughput in frames, and what it makes in crops, views and clips of `segments` frames.

    A crop counts as two views where the graph averages it with its mirror image.
    """
    frames_per_s = [observation.frames_per_s or 0.0 for observation in observations]
    views_a_crop = 2 if spec.mirror else 1
    a_frame = {
        "frames": 1.0,
        "crops": float(library.crops_a_frame),
        "views": float(library.crops_a_frame * views_a_crop),
        "clips": 1 / segments,
    }
    return tuple(
        over_repeats(f"{what}_per_s", [factor * rate for rate in frames_per_s], unit=f"{what}/s", better="higher")
        for what, factor in a_frame.items()
    )


def server_measurements(peak: Peak) -> tuple[Measurement, ...]:
    """Return the rate that was found, the arrivals and the latencies of the run that verified it.

    The rate's interval ends at the lowest rate that failed.  `arrivals_per_s` differs from the rate by chance, as
    the times of the arrivals are random.  Where no rate held the bound: a rate that is None, and no latencies.
    """
    if peak.rate is None or peak.observation is None:
        return (Measurement(name="frames_per_s", unit="frames/s", better="higher", value=None, note=peak.note),)
    rate = Measurement(
        name="frames_per_s",
        unit="frames/s",
        better="higher",
        value=peak.rate,
        low=peak.rate,
        high=peak.failed,
        repeats=(peak.rate,),
        samples=peak.observation.queries,
        note=_verification(peak.observation.queries),
    )
    came = Measurement(
        name="arrivals_per_s",
        unit="frames/s",
        better="",
        value=peak.observation.arrivals_per_s,
        samples=peak.observation.queries,
        note="how often frames came in the run that verified the rate",
    )
    return (rate, came, *latency_measurements(SERVER, [peak.observation]))


def _verification(queries: int) -> str:
    if queries >= MLPERF_QUERIES:
        return f"verified by {queries} queries"
    return f"verified by {queries} queries; MLPerf's rule for a p99 asks for {MLPERF_QUERIES}"


def observed_facts(observations: Sequence[Observation], library: SampleLibrary) -> dict[str, Any]:
    """Return what a sample is, how many queries each repeat had, and what the driver said."""
    facts: dict[str, Any] = {
        "sample": f"one frame of {library.crops_a_frame} crops, from {library.origin}",
        "queries": [observation.queries for observation in observations],
    }
    for name in dict.fromkeys(name for observation in observations for name in observation.facts):
        facts[name] = list(dict.fromkeys(str(observation.facts[name]) for observation in observations))
    return facts


def sentence_of(scenario: str, measurements: Sequence[Measurement], *, bound_ms: float, segments: int) -> str:
    """Return what the figures mean, or "" where the scenario's own is not known."""
    values = {measurement.name: measurement.value for measurement in measurements}
    first = measurements[0].value
    if first is None:
        return f"No rate held the bound: {measurements[0].note}." if scenario == SERVER else ""
    if scenario == SERVER:
        return (
            f"{first:.4g} frames/s that arrive at random are answered within {bound_ms:g} ms, 99 of 100 of them "
            f"(p99 {values['latency_p99_ms']:.4g} ms)."
        )
    if scenario == OFFLINE:
        clips = f"{values['clips_per_s']:.3g} clips/s of {segments} frames"
        return f"{first:.4g} frames/s where all wait at once: {clips}."
    frames = FRAMES_A_QUERY[scenario]
    what = "frames together take" if scenario == MULTI_STREAM else "frame alone takes"
    return f"{frames} {what} {first:.4g} ms or less, {100 * TARGET_SHARE[scenario]:.0f} of 100 times."
