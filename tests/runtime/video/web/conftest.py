import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clips import X264, write_clip
from tests.runtime.stream.sources.servers import WebServer

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    server = WebServer(tmp_path_factory.mktemp("served"), {})
    yield server
    server.close()


@pytest.fixture
def serve(web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return what puts a route on a server, in a folder of its own, and returns its URL."""
    monkeypatch.setenv("no_proxy", "*")
    routes = web_server.routes
    numbers = itertools.count(len(routes))

    def put(route: Any, *, name: str = "clip.mp4", user: str = "") -> str:
        path = f"/{next(numbers)}/{name}"
        routes[path] = route
        return f"http://{user}{web_server.host}{path}"

    return put


@pytest.fixture(scope="session")
def web_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty groups of pictures of some 50 kB, B-frames among them, the index behind them."""
    return write_clip(tmp_path_factory.mktemp("web") / "clip.mp4", frames=240, options=X264 | {"crf": "2"})
