"""Live: the most streams whose 99th percentile of capture-to-prediction latency stays under a bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pptsn.benchmarks.live.criteria import SHARE
from pptsn.benchmarks.live.trial import SHARES, LiveLoad, Trial, run_trial
from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import latency_name, percentile_over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.runtime.engines import Engine


def measure_live(
    engine: Engine,
    model: str | Path,
    load: LiveLoad,
    *,
    most: int,
    method: Method,
    tell: Callable[[Trial], None] = lambda trial: None,
) -> Result:
    """Return the most streams with `load` that `engine` serves in time, 0 to `most`.

    A trial holds where the 99th percentile is at most the bound, no stream has more than a tenth of its
    predictions over it, none failed or had a sampled frame dropped, and each made its predictions, and came from
    its source, at 99 % of the pace or more.  The answer held twice, and one stream more failed twice: see `search`
    for where that ends.

    Only the number of streams is better or worse: latencies are those of the number that was found.

    model: the file that the engine was opened from.  method: its watch looks at the machine before each trial.
    tell: takes each trial when it is done.  Raises ModelError where the engine fails.
    """

    def run(streams: int) -> Trial:
        method.watch.look()
        try:
            trial = run_trial(engine, load, streams)
        except PptsnError:
            raise
        except Exception as error:  # engines have errors of all kinds
            raise ModelError(model, f"the engine failed ({type(error).__name__}: {error})") from error
        tell(trial)
        return trial

    streams, trials = search(run, start=min(most, load.enough_streams()), most=most)
    method.watch.look()
    return Result(
        section="live",
        settings=_settings(engine, model, load),
        measurements=(_streams(streams, trials, most), *_latencies(streams, trials)),
        facts={
            "most_tried": most,
            "prediction_every_s": load.settings.step_s,
            "latency_includes_decoding": not load.is_paced,
            "trials": [trial.to_dict() for trial in trials],
        },
        sentence=_sentence(streams, trials, load, most),
    )


def _settings(engine: Engine, model: str | Path, load: LiveLoad) -> dict[str, Setting]:
    return {
        "model": Path(model).name,
        "precision": engine.spec.precision,
        "backend": backend_name(engine),
        **asdict(load.settings.protocol),
        "source": load.source.name,
        "bound_ms": load.bound_ms,
        "fps": load.source.fps,
    }


def _streams(streams: int, trials: Sequence[Trial], most: int) -> Measurement:
    note = "as many as were tried: the machine may serve more" if streams == most else ""
    return Measurement(
        name="streams", unit="streams", better="higher", value=float(streams), samples=len(trials), note=note
    )


def _latencies(streams: int, trials: Sequence[Trial]) -> list[Measurement]:
    """Return the percentiles with the streams that were found; without any, that the 99th is not known."""
    if not streams:
        note = "not one stream holds"
        return [Measurement(name=latency_name(SHARE), unit="ms", better="", value=None, note=note)]
    repeats = [trial.ages_ms for trial in trials if trial.held and trial.streams == streams]
    return [percentile_over_repeats(latency_name(share), share, repeats, better="") for share in SHARES]


def _sentence(streams: int, trials: Sequence[Trial], load: LiveLoad, most: int) -> str:
    failed = sorted((trial for trial in trials if not trial.held), key=lambda trial: trial.streams)
    above = [trial for trial in failed if trial.streams > streams]
    kind = f"{load.source.name}{f' at {load.source.fps:g} frames/s' if load.source.fps else ''}"
    if not streams:
        return f"not one stream ({kind}) holds: {'; '.join(above[0].failures)}"
    after = " after decoding" if load.is_paced else ""
    held = f"{_counted(streams)} ({kind}) with p99 latency{after} within {load.bound_ms:g} ms"
    if not above:
        return f"{held}, which is as many as were tried" if streams == most else held
    return f"{held}; with {above[0].streams}: {'; '.join(above[0].failures)}"


def _counted(streams: int) -> str:
    return "1 stream" if streams == 1 else f"{streams} streams"


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
