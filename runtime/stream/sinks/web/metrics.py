"""The state of streams and sinks for Prometheus.  The only file that imports its client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pptsn.runtime.base.files import printable
from pptsn.runtime.stream.actions.messages import STATES
from pptsn.runtime.stream.health.snapshots import PipelineView, SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.web.hub import Hub

# Prometheus adds _total to the name of a counter.
_STREAM_COUNTERS: tuple[tuple[str, str, Callable[[StreamHealth], int]], ...] = (
    ("frames_decoded", "Frames decoded.", lambda s: s.decoded),
    ("frames_sampled", "Frames taken on the sampling grid.", lambda s: s.sampled),
    ("frames_inferred", "Sampled frames that the engine has seen.", lambda s: s.inferred),
    ("frames_dropped", "Sampled frames that overload discarded.", lambda s: s.dropped),
    ("decode_errors", "Packets that could not be decoded.", lambda s: s.decode_errors),
    ("predictions", "Predictions made.", lambda s: s.predictions),
    ("predictions_stale", "Predictions older than the staleness that was asked for.", lambda s: s.stale),
    ("events", "Events that began.", lambda s: s.events),
    ("resets", "Times that a window was emptied, after a gap or a change of picture size.", lambda s: s.resets),
    ("reconnects", "Times that the source was opened again.", lambda s: s.reconnects),
)
_STREAM_GAUGES: tuple[tuple[str, str, Callable[[StreamHealth], float]], ...] = (
    ("frames_per_second", "Frames decoded a second, over the last seconds.", lambda s: s.fps),
    ("position_seconds", "Presentation time of the newest sampled frame.", lambda s: s.position_s),
    ("state_changed_timestamp_seconds", "Unix time of the last change of state.", lambda s: s.since),
    ("active_events", "Events that have not ended.", lambda s: len(s.active)),
)
_SINK_COUNTERS: tuple[tuple[str, str, Callable[[SinkHealth], int]], ...] = (
    ("messages_written", "Messages that a sink has written.", lambda s: s.written),
    ("messages_dropped", "Messages that a sink was too slow for.", lambda s: s.dropped),
    ("messages_failed", "Messages that a sink could not write.", lambda s: s.failed),
)
_QUANTILES = ("p50", "0.5"), ("p90", "0.9"), ("p99", "0.99")


class PipelineCollector(Collector):
    """Reads the pipeline anew for every scrape, so that nothing is kept of a stream that left."""

    def __init__(self, view: PipelineView, hub: Hub) -> None:
        self._view = view
        self._hub = hub

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not ask a pipeline that is not running yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        streams = self._view.health()
        names = _distinct([stream.name for stream in streams])
        yield from _stream_counts(names, streams)
        yield _states(names, streams)
        yield _latencies(names, streams)
        yield _leading_scores(names, streams)
        yield from _sink_metrics(self._view.sinks())
        yield from self._page_metrics()

    def _page_metrics(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("pptsn_web_browsers", "Browsers that watch the page.", self._hub.browsers)
        skipped = "Updates that browsers missed because they were slow."
        yield CounterMetricFamily("pptsn_web_updates_dropped", skipped, self._hub.dropped)


class Metrics:
    """All metrics of the page's process."""

    def __init__(self, view: PipelineView, hub: Hub) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(PipelineCollector(view, hub))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that an Accept header prefers, and the format's content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _stream_counts(names: Sequence[str], streams: Sequence[StreamHealth]) -> Iterator[Metric]:
    for name, text, count in _STREAM_COUNTERS:
        counter = CounterMetricFamily(f"pptsn_stream_{name}", text, labels=["stream"])
        for label, stream in zip(names, streams, strict=True):
            counter.add_metric([label], count(stream))
        yield counter
    for name, text, measure in _STREAM_GAUGES:
        gauge = GaugeMetricFamily(f"pptsn_stream_{name}", text, labels=["stream"])
        for label, stream in zip(names, streams, strict=True):
            gauge.add_metric([label], measure(stream))
        yield gauge


def _states(names: Sequence[str], streams: Sequence[StreamHealth]) -> Metric:
    family = GaugeMetricFamily(
        "pptsn_stream_state", "1 for the state that a stream is in.", labels=["stream", "state"]
    )
    for label, stream in zip(names, streams, strict=True):
        for state in STATES:
            family.add_metric([label, state], float(stream.state == state))
    return family


def _latencies(names: Sequence[str], streams: Sequence[StreamHealth]) -> Metric:
    text = "Recent latency by stage; total is from capture to prediction."
    family = GaugeMetricFamily("pptsn_stream_latency_seconds", text, labels=["stream", "stage", "quantile"])
    for label, stream in zip(names, streams, strict=True):
        for stage, percentiles in stream.latency.items():
            for name, quantile in _QUANTILES:
                family.add_metric([label, stage, quantile], getattr(percentiles, name) / 1000)
    return family


def _leading_scores(names: Sequence[str], streams: Sequence[StreamHealth]) -> Metric:
    # Without the class: a label that changes all the time would make a new time series each time.
    text = "Score of the leading class of the last prediction."
    family = GaugeMetricFamily("pptsn_stream_leading_score", text, labels=["stream"])
    for label, stream in zip(names, streams, strict=True):
        if stream.last is not None:
            family.add_metric([label], float(stream.last.scores.max()))
    return family


def _sink_metrics(sinks: Sequence[SinkHealth]) -> Iterator[Metric]:
    names = _distinct([sink.name for sink in sinks])
    for name, text, count in _SINK_COUNTERS:
        counter = CounterMetricFamily(f"pptsn_sink_{name}", text, labels=["sink"])
        for label, sink in zip(names, sinks, strict=True):
            counter.add_metric([label], count(sink))
        yield counter
    failing = GaugeMetricFamily("pptsn_sink_failing", "1 while a sink's last message failed.", labels=["sink"])
    for label, sink in zip(names, sinks, strict=True):
        failing.add_metric([label], float(bool(sink.error)))
    yield failing


def _distinct(names: Sequence[str]) -> list[str]:
    """Return `names` such that no two are equal, which Prometheus refuses: the second `x` becomes `x #2`."""
    labels: list[str] = []
    for name in map(printable, names):
        label, number = name, 1
        while label in labels:
            number += 1
            label = f"{name} #{number}"
        labels.append(label)
    return labels
