"""Warming the system up, and how large each run is, from how fast it then was."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import least_samples
from pptsn.benchmarks.scenarios.definitions import TARGET_SHARE, Driver, Extent, Observation
from pptsn.benchmarks.scenarios.own import OwnDriver
from pptsn.benchmarks.scenarios.system import SystemUnderTest

_WARM_UP_S = 0.3
# A run that tells the pace has so many batches at least, that several are in flight, and lasts so long.
_BATCHES_A_RUN = 4
_LEAST_RUN_S = 0.1
_FRAMES_ALONE = Extent(least_s=0.1, least_queries=3, most_s=2.0)
# To get the queries that a percentile needs, a repeat may take this many times its share of `Method.least_s`, or
# its share of this time.
_PATIENCE = 4
PATIENCE_S = 40.0
# Offline runs are larger by this than what the least time seems to need, as LoadGen's are.
_MARGIN = 1.1
_MOST_TRIES = 4


@dataclass(frozen=True)
class Pace:
    """How fast the system was when it was warm: one frame alone, and frames a second where many wait."""

    frame_ms: float
    frames_per_s: float


def warm_up(system: SystemUnderTest) -> Pace:
    """Run full batches and single frames until the system is warm.  Raises SystemFailure."""
    driver = OwnDriver()
    driver.offline(system, frames=_whole_batches(system, 1), expected_s=0.0)
    frames = _whole_batches(system, math.ceil(_BATCHES_A_RUN * system.batch / system.library.crops_a_frame))
    rates: list[float] = []
    begun_s = time.perf_counter()
    while not rates or time.perf_counter() - begun_s < _WARM_UP_S:
        rate = driver.offline(system, frames=frames, expected_s=0.0).frames_per_s or 0.0
        if frames < rate * _LEAST_RUN_S:
            frames, rates = 2 * frames, []
        else:
            rates.append(rate)
    alone = driver.stream(system, frames_a_query=1, extent=_FRAMES_ALONE, expected_ms=0.0)
    return Pace(alone.percentiles_ms[0.5], sorted(rates)[len(rates) // 2])


def stream_extent(scenario: str, method: Method, *, each_repeat: int = 0) -> Extent:
    """Return how long each repeat of SingleStream or MultiStream lasts.

    Long enough that all repeats together have the queries that the scenario's percentile needs, and each of them
    those of p90 and `each_repeat`, as long as that takes no more than four times the method's time or 40 s.
    """
    needed = -(-max(least_samples(TARGET_SHARE[scenario]), method.least_iterations) // method.repeats)
    least_queries = max(needed, least_samples(0.9), each_repeat)
    most_s = max(_PATIENCE * method.repeat_s, PATIENCE_S / method.repeats)
    return Extent(least_s=method.repeat_s, least_queries=least_queries, most_s=most_s)


def offline_frames(system: SystemUnderTest, pace: Pace, method: Method) -> int:
    """Return the frames of an Offline query: whole batches, for each repeat's part of the method's time."""
    crops_a_frame = system.library.crops_a_frame
    in_time = _MARGIN * method.repeat_s * pace.frames_per_s * crops_a_frame
    crops = max(in_time, method.repeat_iterations * system.batch)
    return _whole_batches(system, math.ceil(crops / crops_a_frame))


def offline_run(driver: Driver, system: SystemUnderTest, pace: Pace, method: Method) -> Observation:
    """Return an Offline run that lasted its part of the method's time.

    Where the system is faster than it was when it was warmed up, shorter runs come first, and do not count.
    """
    for _ in range(_MOST_TRIES):
        frames = offline_frames(system, pace, method)
        found = driver.offline(system, frames=frames, expected_s=method.repeat_s)
        rate = found.frames_per_s or 0.0
        if found.frames >= method.repeat_s * rate:
            break
        pace = replace(pace, frames_per_s=rate)
    return found


def _whole_batches(system: SystemUnderTest, least_frames: int) -> int:
    """Return the least number of frames, from `least_frames`, whose crops fill their last batch."""
    step = system.batch // math.gcd(system.batch, system.library.crops_a_frame)
    return -(-least_frames // step) * step
