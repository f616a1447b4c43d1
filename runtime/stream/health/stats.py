"""Counting what happens to one stream, by several threads; its health at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from pptsn.runtime.stream.actions.messages import ActionEvent, StreamPrediction
from pptsn.runtime.stream.capture.protocol import Counts, Opened, Sampled
from pptsn.runtime.stream.health.latency import LatencyMeter, RateMeter
from pptsn.runtime.stream.health.snapshots import Percentiles, Picture, StreamHealth

# Frames a second are told over so long: some sources send what happened in 20 s at once.
_RATE_S = 20.0


class StreamStats:
    """The counters of one stream.  Any thread may call any method."""

    def __init__(self, name: str, source: str, *, live: bool) -> None:
        self._lock = threading.Lock()
        self._fields: dict[str, object] = {"name": name, "source": source, "live_source": live, "state": "waiting"}
        self._fields["since"] = time.time()
        self._counters = dict.fromkeys(
            ("sampled", "inferred", "dropped", "predictions", "stale", "events", "resets", "reconnects"), 0
        )
        self._before = Counts(0, 0, 0)  # of the sessions that are over
        self._session = Counts(0, 0, 0)
        self._rate = RateMeter(window_s=_RATE_S)
        self._latency: LatencyMeter | None = None  # until the first prediction: thousands of files may wait
        self._final_latency: Mapping[str, Percentiles] = {}
        self._last: StreamPrediction | None = None
        self._highest_score = 0.0
        self._losses, self._loss = 0, ""
        self._active: tuple[ActionEvent, ...] = ()
        self._picture: Picture | None = None
        self._is_over = False

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the counters of StreamHealth."""
        with self._lock:
            self._counters[name] += by

    def set_state(self, state: str, detail: str) -> None:
        """Note what the stream is doing now."""
        with self._lock:
            self._fields |= {"state": state, "detail": detail, "since": time.time(), "frozen": state == "frozen"}

    def opened(self, message: Opened) -> None:
        """Note what the source says of itself."""
        with self._lock:
            self._fields |= {"live_source": message.live, "duration_s": message.duration_s}

    def progress(self, counts: Counts) -> None:
        """Note how far the session under way has come."""
        with self._lock:
            self._rate.add(counts.decoded - self._session.decoded)
            self._session = counts

    def sampled(self, message: Sampled) -> None:
        """Note a sampled frame; `progress` takes the counts that came with it."""
        with self._lock:
            self._counters["sampled"] += 1
            width, height = message.source_size
            self._fields |= {"width": width, "height": height, "position_s": message.stamp.time_s}

    def session_over(self) -> None:
        """Keep the counts of the session that ends; the next counts from 0."""
        with self._lock:
            a, b = self._before, self._session
            self._before = Counts(a.decoded + b.decoded, a.decode_errors + b.decode_errors, a.dropped + b.dropped)
            self._session = Counts(0, 0, 0)

    def predicted(self, prediction: StreamPrediction) -> None:
        """Note a prediction."""
        with self._lock:
            if self._latency is None and not self._is_over:
                self._latency = LatencyMeter()
            meter = self._latency
        if meter is not None:
            meter.add(prediction.stages)
        with self._lock:
            self._counters["predictions"] += 1
            self._counters["stale"] += prediction.stale
            self._last = prediction

    def scored(self, score: float) -> None:
        """Note the highest score of a prediction, of the classes that have a threshold."""
        with self._lock:
            self._highest_score = max(self._highest_score, score)

    def finish(self) -> None:
        """Keep the figures alone: the stream is over, and thousands may be."""
        with self._lock:
            self._is_over = True
            meter, self._latency = self._latency, None
            self._active = ()
            if meter is not None:
                self._final_latency = meter.overall()

    def lost(self, text: str) -> None:
        """Note what is lost of its recordings: the first and how many; a disk may be full for weeks."""
        with self._lock:
            self._losses += 1
            self._loss = self._loss or text

    def set_active(self, events: tuple[ActionEvent, ...]) -> None:
        """Note the events under way."""
        with self._lock:
            self._active = events

    def pictured(self, jpeg: bytes, width: int, height: int, wall_time: float) -> None:
        """Note a live picture."""
        with self._lock:
            number = self._picture.number + 1 if self._picture else 0
            self._picture = Picture(number, jpeg, width, height, wall_time)

    def picture(self) -> Picture | None:
        """Return the newest live picture."""
        with self._lock:
            return self._picture

    def health(self, *, whole_run: bool = False) -> StreamHealth:
        """Return how the stream is doing; latencies of the last minute, or of the whole run."""
        meter = self._latency
        latency = self._final_latency
        if meter is not None:
            latency = meter.overall() if whole_run else meter.recent()
        rate = 0.0 if self._is_over else self._rate.rate()
        with self._lock:
            a, b = self._before, self._session
            counters = dict(self._counters)
            for name in ("sampled", "dropped"):  # of those that found no slot, the supervisor knows by number only
                counters[name] += a.dropped + b.dropped
            return StreamHealth(
                **self._fields,  # type: ignore[arg-type]
                **counters,  # type: ignore[arg-type]
                decoded=a.decoded + b.decoded,
                decode_errors=a.decode_errors + b.decode_errors,
                fps=rate,
                latency=latency,
                last=self._last,
                active=self._active,
                highest_score=self._highest_score,
                losses=self._losses,
                loss=self._loss,
            )
