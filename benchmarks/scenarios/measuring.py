"""The scenarios on an open engine, by one driver, or by our own and LoadGen in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
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
from pptsn.benchmarks.scenarios.loadgen import LoadGenDriver, loadgen_is_installed
from pptsn.benchmarks.scenarios.own import OwnDriver
from pptsn.benchmarks.scenarios.pacing import Pace, offline_run, stream_extent, warm_up
from pptsn.benchmarks.scenarios.search import SEARCH_S, highest_rate
from pptsn.benchmarks.scenarios.summarising import (
    latency_measurements,
    observed_facts,
    offline_measurements,
    sentence_of,
    server_measurements,
)
from pptsn.benchmarks.scenarios.system import SampleLibrary, SystemFailure, SystemUnderTest
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.frames.sampling import check_segments

DRIVERS = (OWN, LOADGEN, "both", "auto")


def new_drivers(name: str) -> list[Driver]:
    """Return the drivers that `name`, one of DRIVERS, stands for.

    `auto` is LoadGen where it is installed, or else our own; `both` are the two, to be run in turn.
    """
    if name not in DRIVERS:
        raise UsageError("--driver", f"unknown driver {name!r}", f"choose one of {', '.join(DRIVERS)}")
    if name == "auto":
        name = LOADGEN if loadgen_is_installed() else OWN
    drivers: list[Driver] = []
    if name in (OWN, "both"):
        drivers.append(OwnDriver())
    if name in (LOADGEN, "both"):
        drivers.append(LoadGenDriver())
    return drivers


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured, and how.

    model: its file name, for the settings of the results.  batch: the most crops a call, None for the engine's.
    segments: frames of a clip, for clips a second.  bound_ms: of Server's p99.  search_s: see `highest_rate`.
    each_repeat: queries that each repeat of the streams has at least, where there is time.
    """

    engine: Engine
    library: SampleLibrary
    method: Method
    model: str = ""
    batch: int | None = None
    segments: int = PUBLISHED.segments
    bound_ms: float = 100.0
    search_s: float = SEARCH_S
    each_repeat: int = 0

    def settings(self, scenario: str, driver: str) -> dict[str, Setting]:
        """Return the settings of the result of `scenario` by `driver`."""
        settings: dict[str, Setting] = {
            "scenario": scenario,
            "driver": driver,
            "model": self.model,
            "precision": self.engine.spec.precision,
            "backend": backend_name(self.engine),
            "views": self.library.views,
            "batch": self.batch or self.engine.batch_size,
        }
        if scenario == SERVER:
            settings["latency_bound_ms"] = self.bound_ms
        if scenario == OFFLINE:
            settings["segments"] = self.segments
        return settings


def run_scenarios(
    case: Case, scenarios: Sequence[str], *, driver: str, progress: Callable[[str], object] = lambda line: None
) -> Iterator[Result]:
    """Yield a result for each scenario and driver, as they come.

    driver: a name in DRIVERS.  progress: is called with a line of text before each scenario.
    An engine that fails gives results whose `error` says why.  Raises UsageError for unknown names, and
    MissingDependencyError for a driver that is not installed.
    """
    check_segments(case.segments)
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            names = ", ".join(SCENARIOS)
            raise UsageError("scenario", f"unknown scenario {scenario!r}", f"choose one of {names}")
    drivers = new_drivers(driver)
    for scenario in scenarios:
        progress(f"measuring {scenario} by {' and '.join(driver.name for driver in drivers)}")
        yield from measured(case, scenario, drivers)[0]


def measured(
    case: Case, scenario: str, drivers: Sequence[Driver]
) -> tuple[list[Result], Mapping[str, list[Observation]]]:
    """Return a result for each driver, and what each observed in its repeats.

    There are no observations of Server, which has no repeats, nor of an engine that fails.
    """
    try:
        with SystemUnderTest(case.engine, case.library, batch=case.batch) as system:
            pace = warm_up(system)
            if scenario == SERVER:
                return [_server(case, driver, system, pace) for driver in drivers], {}
            observed = _observe(case, scenario, drivers, system, pace)
    except SystemFailure as failure:
        keys = [case.settings(scenario, driver.name) for driver in drivers]
        error = f"the engine failed: {failure}"
        return [Result(section="scenario", settings=key, error=error) for key in keys], {}
    results = [_repeated(case, scenario, name, observations) for name, observations in observed.items()]
    # One sentence says what the scenario means: the first driver's.
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


def _repeated(case: Case, scenario: str, driver: str, observations: Sequence[Observation]) -> Result:
    if scenario == OFFLINE:
        measurements = offline_measurements(observations, case.library, case.engine.spec, segments=case.segments)
    else:
        measurements = latency_measurements(scenario, observations)
    return _result(case, scenario, driver, measurements, observed_facts(observations, case.library))


def _server(case: Case, driver: Driver, system: SystemUnderTest, pace: Pace) -> Result:
    peak = highest_rate(driver, system, pace, case.method, bound_ms=case.bound_ms, search_s=case.search_s)
    observations = [peak.observation] if peak.observation else []
    facts = observed_facts(observations, case.library)
    facts["trials"] = [trial.to_dict() for trial in peak.trials]
    return _result(case, SERVER, driver.name, server_measurements(peak), facts)


def _result(
    case: Case, scenario: str, driver: str, measurements: tuple[Measurement, ...], facts: Mapping[str, Any]
) -> Result:
    sentence = sentence_of(scenario, measurements, bound_ms=case.bound_ms, segments=case.segments)
    return Result(
        section="scenario",
        settings=case.settings(scenario, driver),
        measurements=measurements,
        facts={"engine": case.engine.description, **facts},
        sentence=f"{case.model}: {sentence}" if case.model and sentence else sentence,
    )
