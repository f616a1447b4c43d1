"""An engine whose calls take a known time, and a driver whose server runs take none."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import percentile
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.scenarios.definitions import OWN, SHARES, Extent, Observation
from pptsn.benchmarks.scenarios.measuring import Case, run_scenarios
from pptsn.benchmarks.scenarios.own import poisson_times
from pptsn.benchmarks.scenarios.system import SampleLibrary, SystemUnderTest
from pptsn.runtime.engines import Engine, EngineIdentity
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from tests.models import CROP_SIZE, LABELS, tiny_spec


class SleepingEngine(Engine):
    """Sleeps `sleep_s` a call, whatever the number of crops; remembers the crops of each call.

    fail_at: the call, counted from 0, that raises.
    """

    identity = EngineIdentity(backend="sleeping", version="1.0", precision="fp32")

    def __init__(
        self, sleep_s: float = 0.0, *, batch_size: int = 4, fail_at: int | None = None, mirror: bool = False
    ) -> None:
        self.spec = tiny_spec(mirror=mirror)
        self.batch_size = batch_size
        self.calls: list[Frame] = []
        self._sleep_s = sleep_s
        self._fail_at = fail_at

    @property
    def counts(self) -> list[int]:
        return [len(crops) for crops in self.calls]

    def _infer(self, crops: Frame) -> Logits:
        if self._fail_at is not None and len(self.calls) >= self._fail_at:
            raise RuntimeError("the device is gone")
        self.calls.append(crops.copy())
        time.sleep(self._sleep_s)
        return np.zeros((len(crops), len(LABELS)), np.float32)

    def close(self) -> None:
        pass


class QueueDriver:
    """Computes what a server with a constant service time would do: a queue with one place, served in order."""

    name = "computed"

    def __init__(self, service_ms: float) -> None:
        self._service_ms = service_ms

    def server(
        self, system: SystemUnderTest, *, rate: float, queries: int, bound_ms: float, seed: int
    ) -> Observation:
        latencies_ms, free_ms = [], 0.0
        for due_ms in 1000 * poisson_times(rate, queries, seed=seed):
            free_ms = max(free_ms, due_ms) + self._service_ms
            latencies_ms.append(free_ms - due_ms)
        percentiles_ms = {share: percentile(latencies_ms, share) for share in SHARES}
        return Observation(
            queries=queries, percentiles_ms=percentiles_ms, latencies_ms=tuple(latencies_ms), arrivals_per_s=rate
        )

    def stream(
        self, system: SystemUnderTest, *, frames_a_query: int, extent: Extent, expected_ms: float
    ) -> Observation:
        raise NotImplementedError

    def offline(self, system: SystemUnderTest, *, frames: int, expected_s: float) -> Observation:
        raise NotImplementedError


def numbered_library(frames: int, crops_a_frame: int = 1) -> SampleLibrary:
    """Return frames whose crops are filled with their number, counted through all frames."""
    numbers = np.arange(frames * crops_a_frame, dtype=np.uint8).reshape(frames, crops_a_frame, 1, 1, 1)
    return SampleLibrary(
        np.broadcast_to(numbers, (frames, crops_a_frame, CROP_SIZE, CROP_SIZE, 3)), "ten", "numbers"
    )


def quick_method(repeats: int = 2, least_s: float = 0.2) -> Method:
    return Method(repeats=repeats, least_s=least_s, least_iterations=4)


def run_scenario(
    engine: Engine, scenario: str, samples: SampleLibrary, *, driver: str = OWN, method: Method, **case: Any
) -> Result:
    """Return the result of one scenario by one driver; `case`: fields of a Case."""
    (result,) = run_scenarios(
        Case(engine=engine, library=samples, method=method, **case), [scenario], driver=driver
    )
    return result
