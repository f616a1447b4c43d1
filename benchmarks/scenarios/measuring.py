"""The scenarios on an open engine, by one driver, or by our own and LoadGen in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.method import Method
from benchmarks.results import Measurement, Result
from benchmarks.scenarios.case import BOUND_MS, Case
from benchmarks.scenarios.definitions import (
    FRAMES_A_QUERY,
    LOADGEN,
    OFFLINE,
    OWN,
    SCENARIOS,
    SERVER,
    SINGLE_STREAM,
    Driver,
    Observation,
)
from benchmarks.scenarios.drivers import new_drivers
from benchmarks.scenarios.pacing import Pace, offline_frames, stream_extent, warm_up
from benchmarks.scenarios.samples import SampleLibrary
from benchmarks.scenarios.search import highest_rate
from benchmarks.scenarios.summarising import (
    RATIOS,
    latency_measurements,
    observed_facts,
    offline_measurements,
    ratio_measurement,
    sentence_of,
    server_measurements,
)
from benchmarks.scenarios.system import SystemFailure, SystemUnderTest
from runtime.engines import Engine
from runtime.errors import UsageError
from runtime.recognizer import DEFAULT_SEGMENTS

# The two drivers are to agree this well, on the same engine and in the same minutes.
AGREEMENT_LIMIT = 0.03
# Queries of each repeat, so that the drivers' definitions of p90 differ by one rank of many.
_AGREEMENT_QUERIES = 100


def run_scenario(
    engine: Engine,
    scenario: str,
    samples: SampleLibrary,
    *,
    driver: str = OWN,
    method: Method,
    model: str = "",
    batch: int | None = None,
    segments: int = DEFAULT_SEGMENTS,
    bound_ms: float = BOUND_MS,
) -> Result:
    """Return the result of one scenario by one driver, `own` or `loadgen`; arguments as in `Case`.

    An engine that fails gives a Result whose `error` says why.  Raises UsageError for an unknown name and
    MissingDependencyError for a driver that is not installed.
    """
    case = Case(
        engine=engine,
        library=samples,
        method=method,
        model=model,
        batch=batch,
        segments=segments,
        bound_ms=bound_ms,
    )
    if driver not in (OWN, LOADGEN):
        raise UsageError("--driver", f"unknown driver {driver!r}", f"choose one of {OWN}, {LOADGEN}")
    (result,) = run_scenarios(case, [scenario], driver=driver)
    return result


def agreement(
    engine: Engine, samples: SampleLibrary, *, method: Method, model: str = "", batch: int | None = None
) -> list[Result]:
    """Return SingleStream and Offline by both drivers in turn, and last how well they agree.

    The last Result has the ratio of our driver's figure to LoadGen's for the two scenarios.  Raises
    MissingDependencyError where LoadGen is missing.
    """
    case = Case(
        engine=engine,
        library=samples,
        method=method,
        model=model,
        batch=batch,
        each_repeat=_AGREEMENT_QUERIES,
    )
    return run_scenarios(case, [SINGLE_STREAM, OFFLINE], driver="both")


def run_scenarios(
    case: Case, scenarios: Sequence[str], *, driver: str, progress: Callable[[str], object] = lambda line: None
) -> list[Result]:
    """Return a result for each scenario and driver; with two drivers also how well they agree.

    driver: a name in DRIVERS; `both` runs the two in turn, `auto` does so where LoadGen is installed and takes
    our own elsewhere.  progress: is called with a line of text before each scenario.
    """
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            names = ", ".join(SCENARIOS)
            raise UsageError("scenario", f"unknown scenario {scenario!r}", f"choose one of {names}")
    drivers = new_drivers(driver)
    results: list[Result] = []
    ratios: list[Measurement] = []
    for scenario in scenarios:
        progress(f"measuring {scenario} by {' and '.join(driver.name for driver in drivers)}")
        try:
            found, ratio = _measured(case, scenario, drivers)
        except SystemFailure as failure:
            results += [_failed(case, scenario, driver.name, failure) for driver in drivers]
        else:
            results += found
            ratios += ratio
    return [*results, _agreement_result(case, ratios)] if ratios else results


def _measured(case: Case, scenario: str, drivers: Sequence[Driver]) -> tuple[list[Result], list[Measurement]]:
    """Return a result for each driver, and the ratio of the two where that is asked for."""
    with SystemUnderTest(case.engine, case.library, batch=case.batch) as system:
        pace = warm_up(system)
        if scenario == SERVER:
            return [_server(case, driver, system, pace) for driver in drivers], []
        observed = _observe(case, scenario, drivers, system, pace)
    results = [_result(case, scenario, name, observations) for name, observations in observed.items()]
    if len(observed) < 2 or scenario not in RATIOS:
        return results, []
    return results, [ratio_measurement(scenario, observed[OWN], observed[LOADGEN])]


def _observe(
    case: Case, scenario: str, drivers: Sequence[Driver], system: SystemUnderTest, pace: Pace
) -> Mapping[str, list[Observation]]:
    """Return the observations of each driver's repeats, which run in turn, every other time in opposite order."""
    method = case.method

    def run(driver: Driver) -> Observation:
        if scenario == OFFLINE:
            frames = offline_frames(system, pace, method)
            return driver.offline(system, frames=frames, expected_s=method.least_s / method.repeats)
        return driver.stream(
            system,
            frames_a_query=FRAMES_A_QUERY[scenario],
            extent=stream_extent(scenario, method, each_repeat=case.each_repeat),
            expected_ms=pace.frame_ms,
        )

    observed: dict[str, list[Observation]] = {driver.name: [] for driver in drivers}
    for repeat in range(method.repeats):
        method.watch.look()
        for driver in drivers if repeat % 2 == 0 else reversed(drivers):
            observed[driver.name].append(run(driver))
    method.watch.look()
    return observed


def _result(case: Case, scenario: str, driver: str, observations: Sequence[Observation]) -> Result:
    if scenario == OFFLINE:
        measurements = offline_measurements(observations, case.library, case.engine.spec, segments=case.segments)
    else:
        measurements = latency_measurements(scenario, observations)
    return Result(
        section="scenario",
        settings=case.settings(scenario, driver),
        measurements=measurements,
        facts=observed_facts(observations, case.library),
        sentence=sentence_of(scenario, measurements, bound_ms=case.bound_ms, segments=case.segments),
    )


def _server(case: Case, driver: Driver, system: SystemUnderTest, pace: Pace) -> Result:
    peak = highest_rate(driver, system, pace, case.method, bound_ms=case.bound_ms, search_s=case.search_s)
    measurements = server_measurements(peak)
    observations = [peak.observation] if peak.observation else []
    return Result(
        section="scenario",
        settings=case.settings(SERVER, driver.name),
        measurements=measurements,
        facts={
            **observed_facts(observations, case.library),
            "trials": [trial.to_dict() for trial in peak.trials],
        },
        sentence=sentence_of(SERVER, measurements, bound_ms=case.bound_ms, segments=case.segments),
    )


def _failed(case: Case, scenario: str, driver: str, failure: SystemFailure) -> Result:
    error = f"the engine failed: {failure}"
    return Result(section="scenario", settings=case.settings(scenario, driver), error=error)


def _agreement_result(case: Case, ratios: Sequence[Measurement]) -> Result:
    apart = max(abs(ratio.value - 1) for ratio in ratios if ratio.value is not None)
    return Result(
        section="scenario",
        settings=case.settings("agreement", "own / loadgen"),
        measurements=tuple(ratios),
        facts={"limit": AGREEMENT_LIMIT, "verdict": _verdict(ratios)},
        sentence=(
            f"Our driver and LoadGen {_VERDICTS[_verdict(ratios)]}: the larger difference of their figures is "
            f"{apart:.1%}, the limit {AGREEMENT_LIMIT:.0%}."
        ),
    )


_VERDICTS = {
    "agree": "agree",
    "unclear": "cannot be told to agree, as their repeats scatter more than that",
    "disagree": "do not agree",
}


def _verdict(ratios: Sequence[Measurement]) -> str:
    """Return a key of _VERDICTS: by the medians, or `unclear` where their intervals leave both possible."""
    verdict = "agree"
    for ratio in ratios:
        value, low, high = ratio.value or 0.0, ratio.low or 0.0, ratio.high or 0.0
        if abs(value - 1) <= AGREEMENT_LIMIT:
            continue
        if low > 1 + AGREEMENT_LIMIT or high < 1 - AGREEMENT_LIMIT:
            return "disagree"
        verdict = "unclear"
    return verdict
