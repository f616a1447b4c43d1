"""Metrics, read by the official client's parsers."""

from __future__ import annotations

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from pptsn.runtime.stream.actions.messages import STATES
from pptsn.runtime.stream.health.snapshots import SinkHealth
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import ask
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(sink: WebSink) -> Samples:
    """Return all samples by name and labels; fails where two are alike."""
    text = ask(sink, "/metrics").body.decode()
    found = [s for family in text_string_to_metric_families(text) for s in family.samples]
    by_name = {(s.name, frozenset(s.labels.items())): s.value for s in found}
    assert len(by_name) == len(found)
    return by_name


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_counts_and_measures_of_streams(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.change("door", decoded=900, sampled=240, inferred=230, dropped=10, decode_errors=4, fps=29.5)
    pipeline.change("door", stale=2, events=3, resets=5, reconnects=6)
    pipeline.predict("door", [0.1, 0.6, 0.3, 0, 0, 0, 0])
    found = samples(sink)
    expected = {
        "frames_decoded_total": 900,
        "frames_sampled_total": 240,
        "frames_inferred_total": 230,
        "frames_dropped_total": 10,
        "decode_errors_total": 4,
        "predictions_total": 1,
        "predictions_stale_total": 2,
        "events_total": 3,
        "resets_total": 5,
        "reconnects_total": 6,
        "frames_per_second": 29.5,
    }
    for name, number in expected.items():
        assert value(found, f"pptsn_stream_{name}", stream="door") == number, name
        assert value(found, f"pptsn_stream_{name}", stream="hall/1") == 0, name
    assert abs(value(found, "pptsn_stream_leading_score", stream="door") - 0.6) < 1e-6


def test_the_state_is_one_of_all(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.enter("door", "retrying")
    found = samples(sink)
    states = {state: value(found, "pptsn_stream_state", stream="door", state=state) for state in STATES}
    assert states == {state: float(state == "retrying") for state in STATES}


def test_latencies_are_in_seconds(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.predict("door", [1, 0, 0, 0, 0, 0, 0])
    found = samples(sink)
    for quantile, seconds in (("0.5", 0.048), ("0.9", 0.061), ("0.99", 0.090)):
        labels = {"stream": "door", "stage": "total", "quantile": quantile}
        assert abs(value(found, "pptsn_stream_latency_seconds", **labels) - seconds) < 1e-9


def test_sinks_of_one_name_stay_apart(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.set_sinks(SinkHealth("hook", 1), SinkHealth("hook", 2, 3, 4, "hook: timed out"))
    found = samples(sink)
    assert value(found, "pptsn_sink_messages_written_total", sink="hook") == 1
    assert value(found, "pptsn_sink_messages_written_total", sink="hook #2") == 2
    assert value(found, "pptsn_sink_messages_dropped_total", sink="hook #2") == 3
    assert value(found, "pptsn_sink_messages_failed_total", sink="hook #2") == 4
    assert value(found, "pptsn_sink_failing", sink="hook") == 0
    assert value(found, "pptsn_sink_failing", sink="hook #2") == 1


def test_odd_names_survive(pipeline: FakePipeline) -> None:
    names = ['a "quoted" \\ name', "two\nlines", "größe", "\udcff.mp4"]
    with WebSink("127.0.0.1", 0, view=FakePipeline(names)) as sink:
        sink.open()
        found = samples(sink)
        streams = {dict(labels)["stream"] for name, labels in found if name == "pptsn_stream_events_total"}
        assert streams == {*names[:3], "\\xff.mp4"}
        sink.idle()


def test_the_process_is_measured(sink: WebSink) -> None:
    assert value(samples(sink), "process_resident_memory_bytes") > 1e6


def test_no_source_is_told(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.change("door", source="rtsp://admin:secret@10.0.0.9/1")
    assert b"secret" not in ask(sink, "/metrics").body


def test_openmetrics_is_spoken_where_it_is_asked_for(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.predict("door", [1, 0, 0, 0, 0, 0, 0])
    answer = ask(sink, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(answer.body.decode())}
    assert "pptsn_stream_frames_decoded" in names
