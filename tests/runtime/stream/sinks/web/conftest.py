"""A web page over a pipeline that tests control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline(["door", "hall/1"])


@pytest.fixture
def sink(pipeline: FakePipeline) -> Iterator[WebSink]:
    with WebSink("127.0.0.1", 0, view=pipeline, top=3) as sink:
        sink.open()
        yield sink
