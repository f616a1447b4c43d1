"""Finding the most streams that hold: by doubling, by bisection, and by trying again what decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pptsn.benchmarks.live.trial import Trial

# So many trials decide about a count: two that hold, or two that fail, of at most three.
DECISIVE = 2
# Of trials that repeat one which failed: after so many, a failure counts at once, so that the search ends soon.
_MOST_RETRIES = 3


def search(run: Callable[[int], Trial], *, start: int, most: int) -> tuple[int, list[Trial]]:
    """Return the most streams, 0 to `most`, with which trials hold, and all trials.

    A trial decides where to look next, and only the two counts that the answer lies between are tried again: the
    answer has held twice, and one stream more has failed twice.  So one noisy trial does not cap the answer, and
    one lucky trial does not raise it.  Trials of one count that disagree are decided by a third.  On a machine
    that is noisy throughout, one failure is enough after some retries, so that the search ends.

    run: runs a trial.  start: the first count, of streams enough for a short trial; few take longer.
    """
    trials: list[Trial] = []
    while (streams := _next(_Tally.of(trials), start=start, most=most)) is not None:
        trials.append(run(streams))
    tally = _Tally.of(trials)
    return tally.most_held(below=tally.fewest_failed(most)), trials


def of_count(trials: Sequence[Trial], streams: int) -> list[Trial]:
    """Return the trials with so many streams."""
    return [trial for trial in trials if trial.streams == streams]


@dataclass(frozen=True)
class _Tally:
    """How often each count held and failed."""

    held: Counter[int]
    failed: Counter[int]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> _Tally:
        return cls(
            Counter(trial.streams for trial in trials if trial.held),
            Counter(trial.streams for trial in trials if not trial.held),
        )

    @property
    def can_retry(self) -> bool:
        # Each trial of a count that has failed, but its first failure.
        retries = sum(self.held[count] + times - 1 for count, times in self.failed.items())
        return retries < _MOST_RETRIES

    def fewest_failed(self, most: int) -> int:
        """Return the fewest streams that failed as often as they held, or more often; `most` + 1 for none."""
        return min((count for count, times in self.failed.items() if times >= self.held[count]), default=most + 1)

    def most_held(self, *, below: int) -> int:
        return max((count for count in self.held if count < below), default=0)

    def needs_retry(self, count: int) -> bool:
        return 0 < self.failed[count] < DECISIVE and self.can_retry


def _next(tally: _Tally, *, start: int, most: int) -> int | None:
    """Return what to try between the most streams that held and the fewest that failed; None at the end."""
    bad = tally.fewest_failed(most)
    good = tally.most_held(below=bad)
    disagree = tally.held[bad] > 0
    if disagree and tally.needs_retry(bad):
        return bad
    if bad > most and good < most:
        return min(2 * good or start, most)
    if bad - good > 1:
        # Few streams take long, and are seldom the answer: from nothing, two thirds of the way.
        return (good + bad) // 2 if good else max(1, 2 * bad // 3)
    if tally.needs_retry(bad):
        return bad
    return good if good and tally.held[good] < DECISIVE else None
