"""Small servers on the loopback that do what a test wants of them."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from pptsn.runtime.video.container import open_options

# What a route does with a request that is for it.
Route = Callable[["_Handler"], None]


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and the routes of a server."""

    def do_GET(self) -> None:
        route = self.server.routes.get(self.path.partition("?")[0])  # type: ignore[attr-defined]
        self.server.requests.append((self.path, self.headers.get("Authorization", "")))  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            if route is None:
                super().do_GET()
            else:
                route(self)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def over(self) -> threading.Event:
        return self.server.over  # type: ignore[attr-defined]


class WebServer:
    """Serves `folder` and `routes` on a free port until `close`.

    host: with its port.  requests: the path and the credentials of each so far.  routes: may grow.
    """

    def __init__(self, folder: Path, routes: dict[str, Route]) -> None:
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *args: _Handler(*args, directory=str(folder))
        )
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.requests: list[tuple[str, str]] = []
        self.routes = routes
        self._server.routes = routes  # type: ignore[attr-defined]
        self._server.requests = self.requests  # type: ignore[attr-defined]
        self._server.over = threading.Event()  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.over.set()  # type: ignore[attr-defined]
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def status(code: int) -> Route:
    """Return a route that answers with an error."""
    return lambda handler: handler.send_error(code)


def content(kind: str, body: bytes) -> Route:
    """Return a route that sends `body`."""

    def send(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def guarded(authorization: str, route: Route) -> Route:
    """Return a route that asks for `authorization`, and does what `route` does once it has it."""

    def answer(handler: _Handler) -> None:
        if handler.headers.get("Authorization") == authorization:
            route(handler)
            return
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def silence(handler: _Handler) -> None:
    """Take the request and never answer."""
    handler.over.wait(30)


def silence_after_header(handler: _Handler) -> None:
    """Promise video and send none."""
    handler.send_response(200)
    handler.send_header("Content-Type", "video/mp2t")
    handler.end_headers()
    handler.over.wait(30)


def motion_jpeg(*, pictures: int, pause_s: float = 0.0, then: Route | None = None) -> Route:
    """Return a route that sends JPEG pictures as cameras do, and then does what `then` does, or ends."""

    def send(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for number in range(pictures):
            data = jpeg(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
            handler.over.wait(pause_s)
        if then is not None:
            then(handler)

    return send


def unfinished(kind: str, body: bytes) -> Route:
    """Return a route that sends `body`, and nothing more, and keeps the connection."""

    def send(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(body)
        still(handler)

    return send


def trickling(kind: str, body: bytes, *, parts: int, pause_s: float) -> Route:
    """Return a route that sends `body` little by little."""

    def send(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        step = -(-len(body) // parts)
        for begin in range(0, len(body), step):
            handler.wfile.write(body[begin : begin + step])
            handler.over.wait(pause_s)

    return send


def still(handler: _Handler) -> None:
    """Send nothing more, and keep the connection."""
    handler.over.wait(30)


def jpeg(number: int) -> bytes:
    """Return a small grey picture."""
    import cv2

    done, data = cv2.imencode(".jpg", np.full((48, 64, 3), number * 8 % 256, np.uint8))
    assert done
    return data.tobytes()


def copy_packets(source: InputContainer, target: OutputContainer) -> None:
    """Put the packets of the video of `source` into `target` as they are."""
    stream = source.streams.video[0]
    copy = target.add_stream_from_template(stream)
    for packet in source.demux(stream):
        if packet.size:
            packet.stream = copy
            target.mux(packet)


def write_playlist(clip: Path, playlist: Path) -> Path:
    """Write `clip` as a finished HLS playlist with its segments beside it."""
    options = {"hls_time": "1", "hls_list_size": "0"}
    with (
        av.open(str(clip), **open_options()) as source,
        av.open(str(playlist), "w", format="hls", options=options) as target,
    ):
        copy_packets(source, target)
    return playlist


@contextlib.contextmanager
def answering_server(answer: bytes | None) -> Iterator[str]:
    """Yield the host and port of a server that gives `answer` to every request, or none; `{seq}` is its number."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve() -> None:
        held = []
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(0.05)
                held.append(connection)
            for connection in held:
                with contextlib.suppress(OSError):
                    request = connection.recv(4096)
                    if request and answer is not None:
                        sequence = request.partition(b"CSeq: ")[2].partition(b"\r\n")[0]
                        connection.sendall(answer.replace(b"{seq}", sequence))
        for connection in held:
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(5)
        listener.close()
