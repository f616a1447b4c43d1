"""A web page over a pipeline that tests control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline


@pytest.fixture(scope="session")
def close_aside() -> Iterator[Callable[[WebSink], None]]:
    """Return a function that closes a sink while the next test runs: closing takes a fifth of a second."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        closings = []
        yield lambda sink: closings.append(pool.submit(sink.close))
        for closing in closings:
            closing.result()


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline(["door", "hall/1"])


@pytest.fixture
def sink(pipeline: FakePipeline, close_aside: Callable[[WebSink], None]) -> Iterator[WebSink]:
    sink = WebSink("127.0.0.1", 0, view=pipeline, top=3)
    sink.open()
    yield sink
    close_aside(sink)
