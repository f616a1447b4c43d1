"""What is where on the web page.  The only file that imports Starlette.

/                                   the page               /static/...   its script, style and icon
/healthz                            see `healthz`          /metrics      for Prometheus
/api/streams                        how the streams are    /api/sinks    how the sinks are
/api/events                         the last events, newest first
/api/streams/NAME/picture.jpg       the newest picture
/api/streams/NAME/scores            the leading classes' scores over the last minutes
/api/live                           server-sent events: prediction, event, notice, health, picture, dropped
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Send

from pptsn.runtime.stream.health.snapshots import PipelineView
from pptsn.runtime.stream.sinks.text import json_text
from pptsn.runtime.stream.sinks.web.hub import LIVE_PATH, Hub
from pptsn.runtime.stream.sinks.web.metrics import Metrics

_STATIC = Path(__file__).parent / "static"


def application(view: PipelineView, hub: Hub, *, top: int) -> Starlette:
    """Return the ASGI application that answers from `view` and `hub`; top: classes a prediction."""
    pages = _Pages(view, hub, top=top)
    app = Starlette(
        routes=[
            Route("/", pages.index),
            Mount("/static", StaticFiles(directory=_STATIC)),
            Route("/healthz", pages.healthz),
            Route("/metrics", pages.metrics),
            Route("/api/streams", pages.streams),
            Route("/api/sinks", pages.sinks),
            Route("/api/events", pages.events),
            Route(LIVE_PATH, pages.live),
            # A stream's name may have slashes.
            Route("/api/streams/{name:path}/picture.jpg", pages.picture),
            Route("/api/streams/{name:path}/scores", pages.scores),
        ]
    )
    # Redirects for the sake of a slash would be made from the Host header, which is the asker's word.
    app.router.redirect_slashes = False
    return app


class _Pages:
    """One method a route; HEAD comes to them as well, and the server leaves the body out."""

    def __init__(self, view: PipelineView, hub: Hub, *, top: int) -> None:
        self._view = view
        self._hub = hub
        self._top = top
        self._metrics = Metrics(view, hub)

    async def index(self, request: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def healthz(self, request: Request) -> Response:
        """200 while the pipeline runs and at least one stream has not failed for good; 503 otherwise.

        A stream that retries, or that ended because its file did, has not failed: what can be repaired by
        waiting is no reason to restart the program.  It tells no names, since it needs no token.
        """
        states = [stream.state for stream in self._view.health()]
        failed = states.count("failed")
        healthy = failed < len(states)
        fields = {
            "status": "ok" if healthy else "failing",
            "streams": len(states),
            "live": states.count("live"),
            "failed": failed,
        }
        return _json(fields, status=200 if healthy else 503)

    async def metrics(self, request: Request) -> Response:
        content, content_type = self._metrics.render(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": content_type})

    async def streams(self, request: Request) -> Response:
        return _json([stream.to_dict(top=self._top) for stream in self._view.health()])

    async def sinks(self, request: Request) -> Response:
        return _json([sink.to_dict() for sink in self._view.sinks()])

    async def events(self, request: Request) -> Response:
        return _json(self._hub.events())

    async def scores(self, request: Request) -> Response:
        return _json(self._hub.scores(request.path_params["name"]))

    async def picture(self, request: Request) -> Response:
        picture = self._view.picture(request.path_params["name"])
        if picture is None:
            return PlainTextResponse("There is no picture of this stream.\n", status_code=404)
        etag = f'"{picture.number}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return Response(picture.jpeg, media_type="image/jpeg", headers={"etag": etag})

    async def live(self, request: Request) -> Response:
        if self._hub.full:
            text = "As many browsers as may watch do so already; try again later.\n"
            return PlainTextResponse(text, status_code=503, headers={"retry-after": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _LiveResponse(self._hub)


class _LiveResponse(StreamingResponse):
    """What the hub has for one browser."""

    def __init__(self, hub: Hub) -> None:
        # A proxy must not collect what it should pass on.
        self._chunks = hub.watch()
        super().__init__(self._chunks, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Stream until either side ends it; then the browser's mailbox goes at once, not with the collector."""
        async with aclosing(self._chunks):
            await super().stream_response(send)


def _json(value: Any, *, status: int = 200) -> Response:
    return Response(json_text(value, compact=True), status_code=status, media_type="application/json")
