"""One trial: so many streams at once for a while, and whether every one of them was served in time."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pptsn.benchmarks.live.criteria import (
    SHARE,
    Ages,
    StreamAges,
    dropped_frames,
    failed_streams,
    late_predictions,
    late_streams,
    number_late,
    slow_streams,
)
from pptsn.benchmarks.live.source import LiveSource
from pptsn.benchmarks.measure.percentiles import latency_name, least_samples, percentile
from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.engines import Engine
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.registry import kind_of

SHARES = (0.5, 0.9, 0.99)
# Until all streams have made a prediction, and what each adds to that: its process has to start.
_START_S, _START_EACH_S = 20.0, 0.5
# What has piled up until then is worked off before anything counts.
_WARM_UP_S, _WARM_UP_STEPS = 1.0, 2
# Streams that are few need long for samples enough; no trial takes longer than this for it.
_LONGEST_S = 60.0
# After its end, for predictions on the last frames: later ones are missing.
_DRAIN_S = 0.5
_POLL_S = 0.05
# How often a trial looks whether it has failed already.
_LOOK_S = 0.25
# A pipeline that was cut short has one batch under way.
_ENGINE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class LiveLoad:
    """What each stream asks for, and the bound that it has to hold.

    A frame of a file counts as captured when it is due, and was decoded before, so that its latency leaves
    decoding out; of other sources when it, or the packet that it is decoded from, has come.

    settings: of the streams, none left to the model; each makes a prediction every `settings.step_s` seconds.
    bound_ms: of the 99th percentile of the time from a frame's capture to its prediction.
    seconds: of a trial, unless so few streams take longer for samples enough.
    """

    source: LiveSource
    settings: StreamSettings
    bound_ms: float
    seconds: float

    @property
    def is_paced(self) -> bool:
        """Whether the source is a file at its own pace, whose latency leaves decoding out."""
        return kind_of(self.source.uri).file_of(self.source.uri) is not None

    def slots(self, streams: int) -> int:
        """Return how many predictions a trial with so many streams expects of each."""
        return _slots(self.settings, self.seconds, streams)

    def trial_s(self, streams: int) -> float:
        """Return how long a trial measures: half a step more than its slots take, so that it holds all of them."""
        return (self.slots(streams) + 0.5) * self.settings.step_s

    def enough_streams(self) -> int:
        """Return the number of streams from which a trial of `seconds` has samples enough for the percentile."""
        return math.ceil(least_samples(SHARE) / _slots(self.settings, self.seconds, least_samples(SHARE)))


def longest_s(settings: StreamSettings, *, seconds: float, bound_ms: float, most: int) -> float:
    """Return how long a source must last, so that no trial with up to `most` streams outlives it."""
    measured_s = (_slots(settings, seconds, 1) + 0.5) * settings.step_s
    return _start_limit_s(most) + _warm_up_s(settings) + measured_s + bound_ms / 1000 + _DRAIN_S + settings.step_s


def _slots(settings: StreamSettings, seconds: float, streams: int) -> int:
    for_p99_s = math.ceil(least_samples(SHARE) / streams) * settings.step_s
    wanted_s = max(seconds, min(for_p99_s, _LONGEST_S))
    return max(1, math.ceil(wanted_s / settings.step_s - 1e-9))


def _warm_up_s(settings: StreamSettings) -> float:
    return max(_WARM_UP_S, _WARM_UP_STEPS * settings.step_s)


def _start_limit_s(streams: int) -> float:
    return _START_S + _START_EACH_S * streams


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a trial found.

    seconds: that it measured; fewer than planned where it had failed before.
    ages_ms: of all predictions on frames captured meanwhile.
    failures: why it does not hold, a phrase each; empty where it does.
    """

    streams: int
    seconds: float
    ages_ms: tuple[float, ...]
    failures: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether every stream was served in time."""
        return not self.failures

    def __str__(self) -> str:
        """Return how it went, in one line."""
        count = f"{self.streams} stream{'s' if self.streams > 1 else ''}"
        if not self.held:
            return f"{count}: {'; '.join(self.failures)}"
        p99_ms = self.to_dict()["latency_p99_ms"]
        return f"{count}: in time" if p99_ms is None else f"{count}: in time, p99 latency {p99_ms:.0f} ms"

    def to_dict(self) -> dict[str, Any]:
        """Return it for a report: percentiles are None where there are too few samples for them."""
        ages = self.ages_ms
        found = {
            latency_name(share): percentile(ages, share) if len(ages) >= least_samples(share) else None
            for share in SHARES
        }
        return {
            "streams": self.streams,
            "seconds": self.seconds,
            "predictions": len(ages),
            **found,
            "latency_max_ms": max(ages, default=None),
            "held": self.held,
            "failures": list(self.failures),
        }


def run_trial(engine: Engine, load: LiveLoad, streams: int) -> Trial:
    """Run so many streams, warm up, measure, and judge.

    Streams begin at moments spread at random over a step, the same in each trial: cameras do not take their
    pictures in time with each other.  Raises what the engine raises, and MissingDependencyError where it hangs.
    """
    settings = dataclasses.replace(load.settings, realtime=True, at_once=streams)
    ages = Ages()
    with StreamPipeline(engine, settings, keep_open=True) as pipeline:
        pipeline.add_sink(ages)
        pipeline.start()
        _add_streams(pipeline, load, streams)
        trial = _measure(pipeline, ages, load, streams)
    # Closing cuts short what waits; the next trial is not to meet the batch that is still under way.
    if not pipeline.wait(_ENGINE_S):
        raise MissingDependencyError(engine.description, f"hangs for {_ENGINE_S:.0f} s", "restart the device")
    return trial


def _add_streams(pipeline: StreamPipeline, load: LiveLoad, streams: int) -> None:
    offsets_s = np.sort(np.random.default_rng(streams).uniform(0, load.settings.step_s, streams))
    began_s = time.monotonic()
    for offset_s in offsets_s:
        time.sleep(max(0.0, began_s + offset_s - time.monotonic()))
        pipeline.add(load.source.uri)


def _measure(pipeline: StreamPipeline, ages: Ages, load: LiveLoad, streams: int) -> Trial:
    if (failure := _await_all(pipeline, ages, streams)) is not None:
        return Trial(streams=streams, seconds=0.0, ages_ms=(), failures=(failure,))
    pipeline.wait(_warm_up_s(load.settings))
    before, began_s = pipeline.health(), time.monotonic()
    planned_s = began_s + load.trial_s(streams)
    ended_s = _wait_while_it_may_hold(pipeline, ages, load, streams, began_s=began_s, ended_s=planned_s)
    if ended_s == planned_s and not failed_streams(pipeline.health()):
        drained_s = ended_s + load.bound_ms / 1000 + load.settings.step_s + _DRAIN_S
        while ages.streams_past(ended_s) < streams and time.monotonic() < drained_s:
            pipeline.wait(_POLL_S)
    after = pipeline.health()
    by_stream = ages.between(began_s, ended_s)
    ages_ms = tuple(age for name in sorted(by_stream) for age in by_stream[name].ages_ms)
    failures = (
        *failed_streams(after),
        *dropped_frames(before, after),
        *late_predictions(ages_ms, load.bound_ms),
    )
    if ended_s == planned_s:  # a part of a trial says too little of each stream
        each = [by_stream.get(health.name, StreamAges()) for health in after]
        failures += late_streams(by_stream, load.bound_ms) + slow_streams(each, load.slots(streams))
    return Trial(streams=streams, seconds=ended_s - began_s, ages_ms=ages_ms, failures=failures)


def _wait_while_it_may_hold(
    pipeline: StreamPipeline, ages: Ages, load: LiveLoad, streams: int, *, began_s: float, ended_s: float
) -> float:
    """Wait until `ended_s`, or until the trial has failed whatever comes; return that moment."""
    before = pipeline.health()
    most_late = (1 - SHARE) * streams * (load.slots(streams) + 1)
    while (left_s := ended_s - time.monotonic()) > 0:
        pipeline.wait(min(left_s, _LOOK_S))
        now, now_s = pipeline.health(), time.monotonic()
        seen = ages.between(began_s, now_s).values()
        late = sum(number_late(stream.ages_ms, load.bound_ms) for stream in seen)
        if now_s < ended_s and (failed_streams(now) or dropped_frames(before, now) or late > most_late):
            return now_s
    return ended_s


def _await_all(pipeline: StreamPipeline, ages: Ages, streams: int) -> str | None:
    """Wait until all streams have made a prediction; return why they have not, or None."""
    limit_s = _start_limit_s(streams)
    by_s = time.monotonic() + limit_s
    while time.monotonic() < by_s:
        if ages.streams() >= streams:
            return None
        if failed := failed_streams(pipeline.health()):
            return failed[0]
        pipeline.wait(_POLL_S)
    return f"only {ages.streams()} of {streams} streams made a prediction within {limit_s:.0f} s"
