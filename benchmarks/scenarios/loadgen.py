"""MLPerf's LoadGen as the driver (package `mlcommons-loadgen`), and its own summary as the figures."""

from __future__ import annotations

import importlib.metadata
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pptsn.benchmarks.scenarios.definitions import LOADGEN, SHARES, Extent, Observation, arrival_rate
from pptsn.benchmarks.scenarios.system import Sample, SystemFailure, SystemUnderTest
from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.temporary import temporary_folder

_NS_PER_MS = 1e6
# LoadGen makes an Offline query a tenth larger than its expected rate asks for.
_OFFLINE_MARGIN = 1.1
# It draws its queries beforehand: as many as fit the shortest run if each took this share of what is expected.
_FASTEST_SHARE = 0.25

_PERCENTILE = re.compile(r"^(\d+\.\d+) percentile latency \(ns\)\s*: (\d+)$", re.MULTILINE)
_THROUGHPUT = re.compile(r"^Samples per second: (\S+)$", re.MULTILINE)
_VALIDITY = re.compile(r"^Result is : (\w+)$", re.MULTILINE)
_UNSATISFIED = re.compile(r"^\s*(.*?) satisfied ?: NO$", re.MULTILINE)


@dataclass(frozen=True)
class Summary:
    """What `mlperf_log_summary.txt` says.

    percentiles_ms: latency by share, of a query's in MultiStream.  frames_per_s: Offline's samples a second.
    validity: VALID or INVALID, and which conditions of MLPerf's were not satisfied.
    """

    percentiles_ms: Mapping[float, float]
    frames_per_s: float | None
    validity: str


def loadgen_is_installed() -> bool:
    """Whether this Python has LoadGen."""
    try:
        _import_loadgen()
    except MissingDependencyError:
        return False
    return True


class LoadGenDriver:
    """LoadGen in its mode PerformanceOnly; see `Driver`.  Raises MissingDependencyError where it is missing.

    Its percentiles are the sample at index floor(share x count): for few samples one rank above ours.
    """

    name = LOADGEN

    def __init__(self) -> None:
        self._loadgen = _import_loadgen()
        self._version = _version()

    def stream(
        self, system: SystemUnderTest, *, frames_a_query: int, extent: Extent, expected_ms: float
    ) -> Observation:
        """See `Driver.stream`: SingleStream for one frame a query, or else MultiStream."""
        single = frames_a_query == 1
        settings = self._settings("SingleStream" if single else "MultiStream")
        settings.min_duration_ms = round(1000 * extent.least_s)
        settings.max_duration_ms = round(1000 * extent.most_s)
        settings.min_query_count = extent.least_queries
        expected_ns = max(1.0, _FASTEST_SHARE * expected_ms * _NS_PER_MS)
        if single:
            settings.single_stream_expected_latency_ns = expected_ns
        else:
            settings.multi_stream_expected_latency_ns = expected_ns
            settings.multi_stream_samples_per_query = frames_a_query
        return self._run(system, settings)[0]

    def server(
        self, system: SystemUnderTest, *, rate: float, queries: int, bound_ms: float, seed: int
    ) -> Observation:
        """See `Driver.server`.  LoadGen runs to the end even where the bound can no longer be held."""
        settings = self._settings("Server")
        settings.server_target_qps = rate
        settings.server_target_latency_ns = round(bound_ms * _NS_PER_MS)
        settings.schedule_rng_seed = seed
        settings.min_duration_ms = 0
        settings.min_query_count = settings.max_query_count = queries
        observation, issued_s = self._run(system, settings)
        return replace(observation, arrivals_per_s=arrival_rate(issued_s))

    def offline(self, system: SystemUnderTest, *, frames: int, expected_s: float) -> Observation:
        """See `Driver.offline`."""
        settings = self._settings("Offline")
        settings.min_duration_ms = max(1, round(1000 * expected_s))
        settings.offline_expected_qps = frames / _OFFLINE_MARGIN / (settings.min_duration_ms / 1000)
        settings.min_query_count = frames
        return self._run(system, settings)[0]

    def _settings(self, scenario: str) -> Any:
        settings = self._loadgen.TestSettings()
        settings.scenario = getattr(self._loadgen.TestScenario, scenario)
        settings.mode = self._loadgen.TestMode.PerformanceOnly
        return settings

    def _run(self, system: SystemUnderTest, settings: Any) -> tuple[Observation, list[float]]:
        """Run LoadGen once, and return what it observed, and when it issued each query (time.perf_counter).

        What it writes goes to a temporary folder, and is gone afterwards.
        """
        client = _Client(self._loadgen, system)
        with temporary_folder() as folder:
            done = threading.Event()
            test = threading.Thread(
                target=self._test, args=(client, system, settings, str(folder), done), name="loadgen"
            )
            test.start()
            # An event, as a join that is interrupted takes the thread for ended in some versions of Python; and
            # LoadGen's own threads, left alone, end the process with a crash.
            try:
                done.wait()
            except BaseException as interruption:  # Ctrl-C: LoadGen cannot be stopped, but soon has its answers
                system.give_up(interruption)
                done.wait()
                raise
            finally:
                test.join()
            system.check()
            summary = _read_summary(Path(folder))
        facts = {"source": f"summary of LoadGen {self._version}", "validity": summary.validity}
        offline = summary.frames_per_s is not None
        observation = Observation(
            queries=len(client.queries),
            percentiles_ms={} if offline else summary.percentiles_ms,
            clocked_ms=tuple(1000 * (query.done_s - query.issued_s) for query in client.queries),
            frames=sum(query.frames for query in client.queries),
            frames_per_s=summary.frames_per_s,
            facts=facts,
        )
        return observation, [query.issued_s for query in client.queries]

    def _test(
        self, client: _Client, system: SystemUnderTest, settings: Any, folder: str, done: threading.Event
    ) -> None:
        """Run the test, in a thread of its own, so that Ctrl-C reaches the main one; then set `done`."""
        loadgen, frames = self._loadgen, len(system.library)
        logs = loadgen.LogSettings()
        logs.enable_trace = False
        logs.log_output.outdir = folder
        sut = loadgen.ConstructSUT(client.issue, client.flush)
        library = loadgen.ConstructQSL(frames, frames, client.load, client.load)
        try:
            # An audit.config in the current folder would change the settings: one that is not there does not.
            audit = str(Path(folder) / "none")
            loadgen.StartTestWithLogSettings(sut, library, settings, logs, audit)
        except BaseException as error:  # raised again by `check`, in the thread that waits
            system.give_up(error)
        finally:
            loadgen.DestroyQSL(library)
            loadgen.DestroySUT(sut)
            done.set()


class _Query:
    """One of LoadGen's queries, of `frames` frames, as our own clock sees it; done_s: when its last frame was."""

    def __init__(self, frames: int) -> None:
        self.frames = self._missing = frames
        self.issued_s = self.done_s = time.perf_counter()

    def completed(self, at_s: float) -> None:
        self._missing -= 1
        if not self._missing:
            self.done_s = at_s


class _Client:
    """What LoadGen calls: passes its queries to the system, and the system's completions back.

    An exception in here would end LoadGen's threads, and with them the process; the system has none to raise.
    """

    def __init__(self, loadgen: Any, system: SystemUnderTest) -> None:
        self._loadgen = loadgen
        self._system = system
        self.queries: list[_Query] = []

    def issue(self, query: Any) -> None:
        timed = _Query(len(query))
        self.queries.append(timed)

        def completed(sample: int, at_s: float) -> None:
            timed.completed(at_s)  # before LoadGen is told, which may end the run
            self._loadgen.QuerySamplesComplete([self._loadgen.QuerySampleResponse(sample, 0, 0)])

        self._system.issue([Sample(sample.id, sample.index) for sample in query], completed)

    def flush(self) -> None:
        """Nothing is held back until more comes."""

    def load(self, indices: Any) -> None:
        """All frames are in memory already."""


def parse_summary(text: str) -> Summary:
    """Read LoadGen's summary; raises ValueError for a text that is none."""
    validity = _VALIDITY.search(text)
    percentiles = {round(float(share) / 100, 4): int(ns) / _NS_PER_MS for share, ns in _PERCENTILE.findall(text)}
    if validity is None or not percentiles.keys() >= set(SHARES):
        raise ValueError(f"no summary of LoadGen: {text[:200]!r}")
    throughput = _THROUGHPUT.search(text)
    missed = [condition.lower() for condition in _UNSATISFIED.findall(text)]
    said = validity[1] + (f" (not satisfied: {', '.join(missed)})" if missed else "")
    return Summary(
        {share: percentiles[share] for share in SHARES}, float(throughput[1]) if throughput else None, said
    )


def _read_summary(folder: Path) -> Summary:
    try:
        return parse_summary((folder / "mlperf_log_summary.txt").read_text())
    except (OSError, ValueError) as error:
        raise SystemFailure(f"LoadGen left no summary ({error})") from error


def _version() -> str:
    try:
        return importlib.metadata.version("mlcommons-loadgen")
    except importlib.metadata.PackageNotFoundError:  # built from source
        return "of unknown version"


def _import_loadgen() -> Any:
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise MissingDependencyError(
            "mlcommons-loadgen",
            f"the loadgen driver needs it ({error}); its wheels are for x86-64 and Python 3.11 or later",
            f"run: {install_command('bench')}, or use --driver own",
        ) from error
    return mlperf_loadgen
