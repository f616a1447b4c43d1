"""How many crops a second an engine infers, fed as the rest of the program feeds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle

import numpy as np

from pptsn.runtime.engines.base import Batch, Engine
from pptsn.runtime.engines.lending import inferred

Clock = Callable[[], float]

# Engines are opened for this much work: what is found is to hold for long runs.
CROPS_OF_A_LONG_RUN = 1_000_000_000

_LEAST_BATCHES = 2


def crops_per_second(
    engine: Engine, batch_size: int, *, seconds: float, clock: Clock = time.perf_counter
) -> float:
    """Return how many crops a second `engine` infers in full batches, over about `seconds`, after a first round.

    Takes two batches at least, however long they are.
    Raises UsageError for batches that the engine does not take.
    """
    with ExitStack() as stack:
        batches = [stack.enter_context(batch) for batch in engine.new_batches(batch_size)]
        for batch in batches:
            batch.crops[:] = np.random.default_rng(0).integers(0, 256, batch.crops.shape, np.uint8)
        _run(batches, len(batches), until=lambda: True)
        started_s = clock()
        done = _run(batches, _LEAST_BATCHES, until=lambda: clock() - started_s >= seconds)
        return done * batch_size / (clock() - started_s)


def _run(batches: Sequence[Batch], least: int, *, until: Callable[[], bool]) -> int:
    """Infer the batches in turn, `least` times and on until that says so; return how many there were."""

    def full() -> Iterator[tuple[Batch, int]]:
        for number, batch in enumerate(cycle(batches)):
            if number >= least and until():
                return
            yield batch, len(batch.crops)

    return sum(1 for _ in inferred(full(), in_flight=len(batches)))
