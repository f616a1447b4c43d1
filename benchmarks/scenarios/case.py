"""What is measured and how: the engine, its samples, and what the results are told apart by."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.benchmarks.measure.backend_name import backend_name
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Setting
from pptsn.benchmarks.scenarios.definitions import OFFLINE, SERVER
from pptsn.benchmarks.scenarios.samples import SampleLibrary
from pptsn.benchmarks.scenarios.search import SEARCH_S
from pptsn.runtime.classify.recognizer import DEFAULT_SEGMENTS
from pptsn.runtime.engines import Engine

BOUND_MS = 100.0


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
    segments: int = DEFAULT_SEGMENTS
    bound_ms: float = BOUND_MS
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
