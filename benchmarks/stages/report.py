"""From the runs of one case to its Result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pptsn.benchmarks.measure.percentiles import median_over_repeats, over_repeats, percentile_over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.benchmarks.stages.advice import Balance, bottleneck, is_limited_by_decoding, sentence
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.stages import (
    BATCH_WAIT,
    COMPUTE,
    COPY_IN,
    COPY_OUT,
    CROP,
    DECODING,
    FOR_FRAMES,
    FOR_ROOM,
    INFERENCE,
    WAITS,
)
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.engines import Engine


class Recorder:
    """A `stages.Listener` that keeps the seconds of each stage, in the order in which stages ended."""

    def __init__(self) -> None:
        # All there from the start: appending to a list is safe from several threads, adding one would not be.
        self.taken_s: dict[str, list[float]] = {name: [] for name in (*DECODING, *INFERENCE, *WAITS)}

    def took(self, name: str, own_s: float) -> None:
        """Keep one time; raises KeyError for a name that `pptsn.runtime.base.stages` does not list."""
        self.taken_s[name].append(own_s)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What classifying all clips once took.

    taken_s: the seconds of each stage and wait, by its name.  clips: how many were answered.
    wall_s: from the first clip's opening to the last answer's writing.
    done_decoding_s: how much of that was left when the last frame was decoded.
    """

    taken_s: Mapping[str, Sequence[float]]
    clips: int
    wall_s: float
    done_decoding_s: float

    def total_s(self, name: str) -> float:
        """Return the seconds that all events of one stage or wait took together."""
        return sum(self.taken_s[name])

    @property
    def engine_waits_s(self) -> float:
        """How long the engine's thread had no frame to work on."""
        return self.total_s(FOR_FRAMES)

    @property
    def decoding_waits_s(self) -> float:
        """How long decoding stood still: for want of room, or because all was decoded."""
        return self.total_s(FOR_ROOM) + self.done_decoding_s


WORK = (*DECODING, *INFERENCE)
_PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}

_NO_COPY = "none on the CPU: the network reads and writes the caller's memory"
_QUEUED = "cannot be told from compute: a plan's copies are queued together with its work"
_PLAN = "copies, work and waiting for both, as far as the engine's thread has nothing else to do meanwhile"
_BOUND = "with the copy of the logits from the GPU, which the run ends with"
_LATENCY = "from a resized frame to its batch: time that passes, not work, so it takes no share"


def result_of(
    engine: Engine,
    settings: Mapping[str, Setting],
    repeats: Sequence[Sequence[Run]],
    failures: Sequence[Failure],
) -> Result:
    """Return what `repeats`, each of one run or more of `engine`, come to; `settings` are the key of the result.

    For each stage, under its name: `_ms_per_clip`, by which reports are compared: of each repeat the median of its
    runs, of those the median; `_share_percent`, of all stages' time in all threads; and `_p50_ms`, `_p90_ms`,
    `_p99_ms` of single events.  `samples` is the number of events.
    """
    runs = [run for repeat in repeats for run in repeat]
    totals_s = {name: sum(run.total_s(name) for run in runs) for name in WORK}
    balance = Balance(
        totals_s=totals_s,
        wall_s=sum(run.wall_s for run in runs),
        engine_waits_s=sum(run.engine_waits_s for run in runs),
        decoding_waits_s=sum(run.decoding_waits_s for run in runs),
    )
    return Result(
        section="stages",
        settings=settings,
        measurements=(*_of_stages(engine, repeats, totals_s), *_of_threads(repeats)),
        facts=_facts(engine, runs, balance, failures),
        sentence=sentence(balance, settings, clips=runs[-1].clips),
    )


def _of_stages(
    engine: Engine, repeats: Sequence[Sequence[Run]], totals_s: Mapping[str, float]
) -> Iterator[Measurement]:
    notes = _notes(engine, totals_s)
    work_s = sum(totals_s.values())
    for name in WORK:
        key, events = name.replace(" ", "_"), sum(len(run.taken_s[name]) for repeat in repeats for run in repeat)
        if events:
            per_clip = _per_clip(f"{key}_ms_per_clip", name, repeats, events)
            yield replace(per_clip, note=notes.get(name, ""))
            share = 100 * totals_s[name] / work_s
            yield Measurement(name=f"{key}_share_percent", unit="%", better="", value=share, samples=events)
            yield from _percentiles(key, name, repeats)
        else:
            note = notes.get(name, "did not occur")
            yield Measurement(name=f"{key}_ms_per_clip", unit="ms", better="lower", value=None, note=note)
        if name == CROP:
            yield from _waits(repeats)


def _per_clip(key: str, name: str, repeats: Sequence[Sequence[Run]], events: int) -> Measurement:
    took_ms = [[1000 * run.total_s(name) / run.clips for run in repeat] for repeat in repeats]
    return replace(median_over_repeats(key, took_ms), samples=events)


def _percentiles(key: str, name: str, repeats: Sequence[Sequence[Run]]) -> Iterator[Measurement]:
    events_ms = [[1000 * taken_s for run in repeat for taken_s in run.taken_s[name]] for repeat in repeats]
    for label, share in _PERCENTILES.items():
        yield percentile_over_repeats(f"{key}_{label}_ms", share, events_ms, better="")


def _waits(repeats: Sequence[Sequence[Run]]) -> Iterator[Measurement]:
    median, *others = _percentiles(BATCH_WAIT.replace(" ", "_"), BATCH_WAIT, repeats)
    yield replace(median, note="; ".join(filter(None, (_LATENCY, median.note))))
    yield from others


def _notes(engine: Engine, totals_s: Mapping[str, float]) -> dict[str, str]:
    """Return what to know of stages that not every backend can tell apart."""
    if not engine.identity.on_gpu:
        return {COPY_IN: _NO_COPY, COPY_OUT: _NO_COPY}
    if totals_s[COPY_IN]:
        return {COMPUTE: _BOUND}
    return {COPY_IN: _QUEUED, COPY_OUT: _QUEUED, COMPUTE: _PLAN}


def _of_threads(repeats: Sequence[Sequence[Run]]) -> Iterator[Measurement]:
    """Yield the time of a clip, and how much of it the two sides stand still."""

    def of_runs(repeat: Sequence[Run], part_s: Sequence[float]) -> float:
        return 100 * sum(part_s) / sum(run.wall_s for run in repeat)

    walls_ms = [[1000 * run.wall_s / run.clips for run in repeat] for repeat in repeats]
    engine = [of_runs(repeat, [run.engine_waits_s for run in repeat]) for repeat in repeats]
    decoding = [of_runs(repeat, [run.decoding_waits_s for run in repeat]) for repeat in repeats]
    count = sum(map(len, repeats))
    yield median_over_repeats("time_a_clip_ms", walls_ms)
    yield over_repeats("engine_waits_for_frames_percent", engine, unit="%", better="", samples=count)
    yield over_repeats("decoding_stands_still_percent", decoding, unit="%", better="", samples=count)


def _facts(engine: Engine, runs: Sequence[Run], balance: Balance, failures: Sequence[Failure]) -> dict[str, Any]:
    stages = {
        name: {"count": sum(len(run.taken_s[name]) for run in runs), "total_ms": 1000 * balance.totals_s[name]}
        for name in WORK
    }
    return {
        "engine": engine.description,
        "clips": runs[-1].clips,
        "runs": len(runs),
        "stages": stages,
        "wall_ms": 1000 * balance.wall_s,
        "engine_waits_ms": 1000 * balance.engine_waits_s,
        "decoding_waits_ms": 1000 * balance.decoding_waits_s,
        "limiting_side": "decoding" if is_limited_by_decoding(balance) else "inference",
        "bottleneck": bottleneck(balance),
        "failed": [printable(str(failure.error)) for failure in failures],
    }
