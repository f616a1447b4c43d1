"""The scenarios on an open engine, by one driver, or by our own and LoadGen in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.scenarios.case import BOUND_MS, Case
from pptsn.benchmarks.scenarios.comparing import (
    COMPARED,
    agreement_result,
    ratio_measurement,
    same_queries_measurement,
)
from pptsn.benchmarks.scenarios.definitions import (
    FRAMES_A_QUERY,
    LOADGEN,
    OFFLINE,
    OWN,
    SCENARIOS,
    SERVER,
    Driver,
    Observation,
)
from pptsn.benchmarks.scenarios.drivers import new_drivers
from pptsn.benchmarks.scenarios.pacing import Pace, offline_run, stream_extent, warm_up
from pptsn.benchmarks.scenarios.samples import SampleLibrary
from pptsn.benchmarks.scenarios.search import highest_rate
from pptsn.benchmarks.scenarios.summarising import (
    latency_measurements,
    observed_facts,
    offline_measurements,
    sentence_of,
    server_measurements,
)
from pptsn.benchmarks.scenarios.system import SystemFailure, SystemUnderTest
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.recognizer import DEFAULT_SEGMENTS
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.sampling import check_segments

# Queries of each repeat of the comparison, so that its p90 scatters little.
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

    The last Result has the ratio of our driver's figure to LoadGen's for the two scenarios, and that of our clock
    to LoadGen's on the same queries; see `comparing`.  Raises MissingDependencyError where LoadGen is missing.
    """
    case = Case(
        engine=engine,
        library=samples,
        method=method,
        model=model,
        batch=batch,
        each_repeat=_AGREEMENT_QUERIES,
    )
    return run_scenarios(case, COMPARED, driver="both")


def run_scenarios(
    case: Case,
    scenarios: Sequence[str],
    *,
    driver: str,
    progress: Callable[[str], object] = lambda line: None,
    results: list[Result] | None = None,
) -> list[Result]:
    """Return a result for each scenario and driver; with two drivers also how well they agree.

    driver: a name in DRIVERS; `both` runs the two in turn, `auto` is LoadGen where it is installed and our own
    elsewhere.  progress: is called with a line of text before each scenario.
    results: the list to add results to, for a caller who keeps what there is when the run is interrupted.
    """
    check_segments(case.segments)
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            names = ", ".join(SCENARIOS)
            raise UsageError("scenario", f"unknown scenario {scenario!r}", f"choose one of {names}")
    drivers = new_drivers(driver)
    results = [] if results is None else results
    ratios: list[Measurement] = []
    same_queries: list[Measurement] = []
    for scenario in scenarios:
        progress(f"measuring {scenario} by {' and '.join(driver.name for driver in drivers)}")
        try:
            found, observed = _measured(case, scenario, drivers)
        except SystemFailure as failure:
            results += [_failed(case, scenario, driver.name, failure) for driver in drivers]
        else:
            results += found
            if len(drivers) > 1 and scenario in COMPARED:
                ratios.append(ratio_measurement(scenario, observed[OWN], observed[LOADGEN]))
                same_queries.append(same_queries_measurement(scenario, observed[LOADGEN]))
    if ratios:
        results.append(agreement_result(case, ratios, same_queries))
    return results


def _measured(
    case: Case, scenario: str, drivers: Sequence[Driver]
) -> tuple[list[Result], Mapping[str, list[Observation]]]:
    """Return a result for each driver, and what each observed in its repeats; Server has none."""
    with SystemUnderTest(case.engine, case.library, batch=case.batch) as system:
        pace = warm_up(system)
        if scenario == SERVER:
            return [_server(case, driver, system, pace) for driver in drivers], {}
        observed = _observe(case, scenario, drivers, system, pace)
    results = [_result(case, scenario, name, observations) for name, observations in observed.items()]
    # What the second driver found is for the comparison of the two; one sentence says what it means.
    results[1:] = [replace(result, sentence="") for result in results[1:]]
    return results, observed


def _observe(
    case: Case, scenario: str, drivers: Sequence[Driver], system: SystemUnderTest, pace: Pace
) -> Mapping[str, list[Observation]]:
    """Return the observations of each driver's repeats, which run in turn, every other time in opposite order."""
    method = case.method

    def run(driver: Driver) -> Observation:
        if scenario == OFFLINE:
            return offline_run(driver, system, pace, method)
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
        sentence=_sentence(case, scenario, measurements),
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
        sentence=_sentence(case, SERVER, measurements),
    )


def _sentence(case: Case, scenario: str, measurements: Sequence[Measurement]) -> str:
    sentence = sentence_of(scenario, measurements, bound_ms=case.bound_ms, segments=case.segments)
    return f"{case.model}: {sentence}" if case.model and sentence else sentence


def _failed(case: Case, scenario: str, driver: str, failure: SystemFailure) -> Result:
    error = f"the engine failed: {failure}"
    return Result(section="scenario", settings=case.settings(scenario, driver), error=error)
