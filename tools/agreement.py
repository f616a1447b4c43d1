"""How well our driver of the scenarios and LoadGen agree: on runs in turn, and on the very same queries.

python -m tools.agreement --model model.onnx -o agreement.json
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.scenarios.definitions import (
    LOADGEN,
    OFFLINE,
    OWN,
    SINGLE_STREAM,
    TARGET_SHARE,
    Observation,
)
from pptsn.benchmarks.scenarios.measuring import Case, measured, new_drivers
from pptsn.benchmarks.scenarios.system import drawn_samples
from pptsn.cli.bench.options import LeastOption, ModelOption, OutputOption, RepeatsOption, ViewsOption
from pptsn.runtime.engines import open_engine
from tools.program import publish_as_they_come, run, tell

# The two drivers are to agree this well, on the same engine and in the same minutes.
AGREEMENT_LIMIT = 0.03
COMPARED = (SINGLE_STREAM, OFFLINE)
_RATIOS = {SINGLE_STREAM: "single_stream_p90_times", OFFLINE: "offline_throughput_times"}
_SAME_QUERIES = {SINGLE_STREAM: "same_queries_p90_times", OFFLINE: "same_queries_throughput_times"}
_VERDICTS = {
    "agree": f"agree within {AGREEMENT_LIMIT:.0%}",
    "unclear": "cannot be told to agree or not, as the repeats are too few or scatter too much",
    "disagree": "do not agree",
}


# Queries of each repeat, so that its p90 scatters little.
_QUERIES = 100


def agreement(
    model: ModelOption,
    views: ViewsOption = "center",
    repeats: RepeatsOption = 5,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Run SingleStream and Offline by our driver and by MLPerf's LoadGen in turn, and tell how well they agree."""
    check_outputs(output, inputs=[model])
    method = Method(repeats=repeats, least_s=seconds)
    with open_engine(model) as engine:
        library = drawn_samples(engine.spec, views)
        case = Case(engine=engine, library=library, method=method, model=Path(model).name, each_repeat=_QUERIES)
        publish_as_they_come(measure_agreement(case, progress=tell), outputs=output, method=method)


def measure_agreement(case: Case, *, progress: Callable[[str], object] = lambda line: None) -> Iterator[Result]:
    """Yield SingleStream and Offline by both drivers in turn, and last how well they agree.

    The last Result has the ratio of our driver's figure to LoadGen's for the two scenarios, and that of our clock
    to LoadGen's on the same queries.  Raises MissingDependencyError where LoadGen is missing.
    """
    drivers = new_drivers("both")
    ratios: list[Measurement] = []
    same_queries: list[Measurement] = []
    for scenario in COMPARED:
        progress(f"measuring {scenario} by both drivers")
        results, observed = measured(case, scenario, drivers)
        yield from results
        if observed:
            ratios.append(ratio_measurement(scenario, observed[OWN], observed[LOADGEN]))
            same_queries.append(same_queries_measurement(scenario, observed[LOADGEN]))
    if ratios:
        yield agreement_result(case, ratios, same_queries)


def ratio_measurement(scenario: str, own: Sequence[Observation], loadgen: Sequence[Observation]) -> Measurement:
    """Return our driver's figure divided by LoadGen's, repeat by repeat: the p90 latency, or the throughput.

    Both percentiles are taken by LoadGen's definition; see `loadgen_percentile`.
    """
    ratios = [_own_figure(scenario, a) / _told(scenario, b) for a, b in zip(own, loadgen, strict=True)]
    samples = sum(observation.queries for observation in (*own, *loadgen))
    return over_repeats(_RATIOS[scenario], ratios, unit="times", better="", samples=samples)


def same_queries_measurement(scenario: str, loadgen: Sequence[Observation]) -> Measurement:
    """Return what our clock tells of LoadGen's own queries, divided by what LoadGen does.

    Both see the same, however busy the machine is: what differs is how they measure.
    """
    ratios = [_clocked_figure(scenario, found) / _told(scenario, found) for found in loadgen]
    samples = sum(observation.queries for observation in loadgen)
    return over_repeats(_SAME_QUERIES[scenario], ratios, unit="times", better="", samples=samples)


def loadgen_percentile(samples: Sequence[float], share: float) -> float:
    """Return the percentile as LoadGen defines it: the sample at index floor(share x count) of the sorted ones."""
    return sorted(samples)[min(len(samples) - 1, math.floor(share * len(samples) + 1e-9))]


def agreement_result(case: Case, ratios: Sequence[Measurement], same_queries: Sequence[Measurement]) -> Result:
    """Return how well the drivers agree, by the ratios of `ratio_measurement`, in turn for each scenario."""
    verdict = verdict_of(ratios)
    return Result(
        section="scenario",
        settings=case.settings("agreement", "own / loadgen"),
        measurements=(*ratios, *same_queries),
        facts={"limit": AGREEMENT_LIMIT, "verdict": verdict},
        sentence=(
            f"Our driver and LoadGen {_VERDICTS[verdict]}: in runs in turn, their figures differ by "
            f"{_largest(ratios):.1%} at most; on the very same queries, their clocks differ by "
            f"{_largest(same_queries):.2%}."
        ),
    )


def verdict_of(ratios: Sequence[Measurement]) -> str:
    """Return the worst verdict of `ratios`: `agree`, `unclear` or `disagree`.

    They agree where the median is within the limit of 1 and the interval holds 1, or is within the limit itself.
    They disagree where the median is beyond the limit and the interval does not hold 1.  All else is unclear.
    """
    verdicts = {_verdict(ratio) for ratio in ratios}
    return next(verdict for verdict in ("disagree", "unclear", "agree") if verdict in verdicts)


def _verdict(ratio: Measurement) -> str:
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return "unclear"
    holds_one = ratio.low <= 1 <= ratio.high
    if abs(ratio.value - 1) > AGREEMENT_LIMIT:
        return "unclear" if holds_one else "disagree"
    is_narrow = max(abs(ratio.low - 1), abs(ratio.high - 1)) <= AGREEMENT_LIMIT
    return "agree" if holds_one or is_narrow else "unclear"


def _largest(ratios: Sequence[Measurement]) -> float:
    return max(abs(ratio.value - 1) for ratio in ratios if ratio.value is not None)


def _own_figure(scenario: str, observation: Observation) -> float:
    if scenario == OFFLINE:
        return observation.frames_per_s or 0.0
    return loadgen_percentile(observation.latencies_ms, TARGET_SHARE[scenario])


def _told(scenario: str, observation: Observation) -> float:
    if scenario == OFFLINE:
        return observation.frames_per_s or math.nan
    return observation.percentiles_ms[TARGET_SHARE[scenario]]


def _clocked_figure(scenario: str, observation: Observation) -> float:
    if scenario == OFFLINE:
        return 1000 * observation.frames / sum(observation.clocked_ms)
    return loadgen_percentile(observation.clocked_ms, TARGET_SHARE[scenario])


if __name__ == "__main__":
    run(agreement)
