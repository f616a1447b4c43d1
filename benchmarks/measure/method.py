"""How things are timed: warmed up, for long enough, often enough, in turn, with an eye on the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pptsn.benchmarks.measure.noise import NoiseWatch

LEAST_S = 3.0
LEAST_ITERATIONS = 10


@dataclass(frozen=True, kw_only=True)
class Method:
    """How often and how long to measure.

    repeats: how often a case is measured anew.  least_s, least_iterations: what all repeats of a case together
    take at least.  watch: is asked to look at the machine before each repeat.
    """

    repeats: int = 5
    least_s: float = LEAST_S
    least_iterations: int = LEAST_ITERATIONS
    watch: NoiseWatch = field(default_factory=NoiseWatch)

    @property
    def repeat_s(self) -> float:
        """A repeat's part of `least_s`."""
        return self.least_s / self.repeats

    @property
    def repeat_iterations(self) -> int:
        """A repeat's part of `least_iterations`, at least one."""
        return max(1, -(-self.least_iterations // self.repeats))


def timed_ms(run: Callable[[], object]) -> float:
    """Return the milliseconds that `run` takes, by a clock that never steps."""
    started_s = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started_s)


def measure(run: Callable[[], object], method: Method) -> list[list[float]]:
    """Return the milliseconds of each iteration of `run`, in `method.repeats` lists; see `measure_in_turn`."""
    return measure_in_turn({"": run}, method)[""]


def measure_in_turn(
    candidates: Mapping[str, Callable[[], object]], method: Method
) -> dict[str, list[list[float]]]:
    """Return the milliseconds of each iteration of each candidate, in `method.repeats` lists.

    Each runs once unmeasured, to warm up.  Then all run in turn, in every repeat in the opposite order, so that
    what slows the machine down for a while slows all of them.  A repeat iterates until its part of `least_s` and
    of `least_iterations` is done, so that all repeats together reach both.
    """
    for run in candidates.values():
        run()
    found: dict[str, list[list[float]]] = {name: [] for name in candidates}
    for repeat in range(method.repeats):
        method.watch.look()
        names = list(candidates)
        for name in names if repeat % 2 == 0 else reversed(names):
            found[name].append(_one_repeat(candidates[name], method))
    method.watch.look()
    return found


def _one_repeat(run: Callable[[], object], method: Method) -> list[float]:
    times_ms: list[float] = []
    while len(times_ms) < method.repeat_iterations or sum(times_ms) < 1000 * method.repeat_s:
        times_ms.append(timed_ms(run))
    return times_ms
