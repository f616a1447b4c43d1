"""Finding the most streams that hold: by doubling, by bisection, and by trying the answer again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.live.trial import Trial

# So many trials of the answer have to hold, and none may fail.
CONFIRMATIONS = 2


def search(run: Callable[[int], Trial], *, start: int, most: int) -> tuple[int, list[Trial]]:
    """Return the most streams, 0 to `most`, with which trials hold, and all trials.

    The number is tried twice.  Where it does not hold again, the search goes on below it.

    run: runs a trial.  start: the first count, of streams enough for a short trial; few take longer.
    """
    trials: list[Trial] = []
    while True:
        bad = min((trial.streams for trial in trials if not trial.held), default=most + 1)
        good = max((trial.streams for trial in trials if trial.streams < bad), default=0)
        if bad - good > 1:
            trials.append(run(_next(good, bad, start=start, most=most)))
        elif good and len(of_count(trials, good)) < CONFIRMATIONS:
            trials.append(run(good))
        else:
            return good, trials


def of_count(trials: Sequence[Trial], streams: int) -> list[Trial]:
    """Return the trials with so many streams."""
    return [trial for trial in trials if trial.streams == streams]


def _next(good: int, bad: int, *, start: int, most: int) -> int:
    """Return what to try between the most streams that held and the fewest that failed."""
    if bad <= most:
        return (good + bad) // 2
    return min(2 * good or start, most)
