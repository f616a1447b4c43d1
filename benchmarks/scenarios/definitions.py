"""The scenarios as MLPerf defines them, how long a run of one lasts, and what it observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pptsn.benchmarks.scenarios.system import SystemUnderTest

SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE = "single-stream", "multi-stream", "server", "offline"
SCENARIOS = (SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE)

# Frames of a query.  Server's have one as well; Offline is a single query of all frames.
FRAMES_A_QUERY = {SINGLE_STREAM: 1, MULTI_STREAM: 8}

# The percentile that the rules report, or hold against the bound; the others are reported beside it.
TARGET_SHARE = {SINGLE_STREAM: 0.90, MULTI_STREAM: 0.99, SERVER: 0.99}
SHARES = (0.50, 0.90, 0.99)

OWN, LOADGEN = "own", "loadgen"


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How long a run lasts: `least_s` seconds and `least_queries` queries, but at most `most_s` seconds.

    The rules ask for 600 s; what a shorter run leaves unknown is told by the number of its queries.
    """

    least_s: float
    least_queries: int
    most_s: float


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one run observed.

    queries: how many were completed.
    percentiles_ms: the latency of a query by share (0.5, 0.9, 0.99), as the driver itself computes it; {} for
        Offline.  The time runs from when the query was due to when the last of its frames was done.
    latencies_ms: of each query, in their order, or () where the driver only tells percentiles.
    clocked_ms: for a driver that has its own clock, the latency of each query by ours, in their order; for Offline
        the time of its one query.
    frames: of all queries together.
    frames_per_s: Offline's throughput, or None.
    arrivals_per_s: how often Server's queries came, over the whole run; None for the other scenarios.
    finished: False where the driver gave up early, since the bound could no longer be held.
    facts: what the driver says besides.
    """

    queries: int
    percentiles_ms: Mapping[float, float] = field(default_factory=dict)
    latencies_ms: tuple[float, ...] = ()
    clocked_ms: tuple[float, ...] = ()
    frames: int = 0
    frames_per_s: float | None = None
    arrivals_per_s: float | None = None
    finished: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


def arrival_rate(moments_s: Sequence[float]) -> float | None:
    """Return how many of `moments_s`, in their order, came a second; None where there are too few to tell."""
    if len(moments_s) < 2 or moments_s[-1] <= moments_s[0]:
        return None
    return (len(moments_s) - 1) / (moments_s[-1] - moments_s[0])


class Driver(Protocol):
    """Sends the queries of a scenario to a system under test.  Every method raises SystemFailure if that fails."""

    name: str

    def stream(
        self, system: SystemUnderTest, *, frames_a_query: int, extent: Extent, expected_ms: float
    ) -> Observation:
        """Send queries of `frames_a_query` frames, each as soon as the one before is complete.

        expected_ms: what a query takes, roughly.
        """
        ...

    def server(
        self, system: SystemUnderTest, *, rate: float, queries: int, bound_ms: float, seed: int
    ) -> Observation:
        """Send `queries` queries of one frame at times of a Poisson process of `rate` a second."""
        ...

    def offline(self, system: SystemUnderTest, *, frames: int, expected_s: float) -> Observation:
        """Send one query of `frames` frames; expected_s: what it takes at least, roughly."""
        ...
