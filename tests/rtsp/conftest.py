"""Fixtures of the tests against a real RTSP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rtsp.client import RtspServer, require_gstreamer


@pytest.fixture
def rtsp_server() -> Iterator[RtspServer]:
    """A server of this test alone: it may kill it.  Skips, or fails under REQUIRE_SERVERS=1, without GStreamer."""
    require_gstreamer()
    with RtspServer() as server:
        yield server
