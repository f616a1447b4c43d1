"""How old predictions were, stream by stream, and what a trial has to keep of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pptsn.benchmarks.measure.percentiles import least_samples, percentile
from pptsn.runtime.stream.actions.messages import Message, StreamPrediction
from pptsn.runtime.stream.health.snapshots import StreamHealth
from pptsn.runtime.stream.sinks.base import Sink


@dataclass(frozen=True)
class StreamAges:
    """The predictions of one stream in a stretch of time.

    ages_ms: from the capture of a prediction's newest frame until it was made.
    pace: the seconds of the source that passed in a second of the clock; None with fewer than two predictions.
    """

    ages_ms: tuple[float, ...] = ()
    pace: float | None = None


@dataclass(frozen=True)
class _Seen:
    captured_s: float
    emitted_s: float
    time_s: float


class Ages(Sink):
    """Keeps when each prediction's frame was captured, and when the prediction was made."""

    name = "ages"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, list[_Seen]] = {}

    def write(self, message: Message) -> None:
        """Note a prediction."""
        if isinstance(message, StreamPrediction):
            stages = message.stages
            seen = _Seen(stages.captured_s, stages.emitted_s, message.time_s)
            with self._lock:
                self._seen.setdefault(message.stream, []).append(seen)

    def close(self) -> None:
        """Do nothing."""

    def streams(self) -> int:
        """Return how many streams have made a prediction."""
        with self._lock:
            return len(self._seen)

    def streams_past(self, moment_s: float) -> int:
        """Return how many streams have made a prediction on a frame captured at `moment_s` or later."""
        with self._lock:
            return sum(seen[-1].captured_s >= moment_s for seen in self._seen.values())

    def between(self, began_s: float, ended_s: float) -> Mapping[str, StreamAges]:
        """Return the predictions on frames captured between two moments (`time.monotonic`), by stream."""
        with self._lock:
            everything = {name: list(seen) for name, seen in self._seen.items()}
        return {
            name: _ages_of([one for one in seen if began_s <= one.captured_s < ended_s])
            for name, seen in everything.items()
        }


def _ages_of(seen: list[_Seen]) -> StreamAges:
    ages_ms = tuple(1000 * (one.emitted_s - one.captured_s) for one in seen)
    if len(seen) < 2 or seen[-1].captured_s <= seen[0].captured_s:
        return StreamAges(ages_ms)
    passed_s = seen[-1].captured_s - seen[0].captured_s
    return StreamAges(ages_ms, (seen[-1].time_s - seen[0].time_s) / passed_s)


# The percentile that the bound is for.
SHARE = 0.99
# Of the predictions, and of the pace, that a stream should have.
_KEPT = 0.99
# Of one stream's predictions, that may be over the bound: among those of many streams they would not show.
_LATE_OF_ONE = 0.1


def failed_streams(health: Sequence[StreamHealth]) -> tuple[str, ...]:
    """Return a phrase where streams have ended, or broke off and were opened again."""
    broken = [stream for stream in health if stream.state not in ("waiting", "connecting", "live", "frozen")]
    broken += [stream for stream in health if stream.reconnects and stream not in broken]
    if not broken:
        return ()
    first = broken[0]
    count = f"{len(broken)} streams" if len(broken) > 1 else "a stream"
    return (f"{count} failed: {first.detail or 'its source ended'}",)


def dropped_frames(before: Sequence[StreamHealth], after: Sequence[StreamHealth]) -> tuple[str, ...]:
    """Return a phrase where overload discarded sampled frames between two moments."""
    dropped = sum(stream.dropped for stream in after) - sum(stream.dropped for stream in before)
    return (f"{dropped} sampled frames were dropped",) if dropped else ()


def late_predictions(ages_ms: Sequence[float], bound_ms: float) -> tuple[str, ...]:
    """Return a phrase where the 99th percentile is over the bound; of too few samples, where any of them is."""
    if not ages_ms:
        return ()
    enough = len(ages_ms) >= least_samples(SHARE)
    latest_ms = percentile(ages_ms, SHARE) if enough else max(ages_ms)
    what = "p99 latency" if enough else "latency"
    return (f"{what} {latest_ms:.0f} ms is over {bound_ms:g} ms",) if latest_ms > bound_ms else ()


def late_streams(streams: Mapping[str, StreamAges], bound_ms: float) -> tuple[str, ...]:
    """Return a phrase about the worst stream that has more than a tenth of its predictions over the bound."""
    late = {name: number_late(stream.ages_ms, bound_ms) for name, stream in streams.items()}
    shares = {name: count / len(streams[name].ages_ms) for name, count in late.items() if count}
    if max(shares.values(), default=0.0) <= _LATE_OF_ONE:
        return ()
    worst = max(shares, key=shares.__getitem__)
    return (f"{late[worst]} of {len(streams[worst].ages_ms)} predictions of {worst} are over {bound_ms:g} ms",)


def number_late(ages_ms: Sequence[float], bound_ms: float) -> int:
    """Return how many predictions are over the bound."""
    return sum(age_ms > bound_ms for age_ms in ages_ms)


def slow_streams(streams: Sequence[StreamAges], slots: int) -> tuple[str, ...]:
    """Return a phrase for each kind of falling behind: too few predictions, and a source slower than its own pace.

    Frames of a file are due at its pace, so what it is behind is part of their age; those of other sources count
    from their arrival, and fewer of them arrive.
    """
    failures = []
    few = [stream for stream in streams if len(stream.ages_ms) < _KEPT * slots]
    if few:
        least = min(len(stream.ages_ms) for stream in few)
        failures.append(f"{len(few)} of {len(streams)} streams fell behind: {least} of {slots} predictions came")
    paces = [stream.pace for stream in streams if stream.pace is not None]
    if paces and min(paces) < _KEPT:
        failures.append(f"a source ran at {min(paces):.1%} of its pace")
    return tuple(failures)
