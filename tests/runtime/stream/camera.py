"""A camera in the network, for tests: MJPEG over HTTP, which can be made to misbehave."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

_BOUNDARY = "frame"


class Camera:
    """Serves moving pictures at `url`.  A context manager.

    Change the attributes while it runs: `size` (width, height), `colour` (RGB), `stalled`, `frozen`, `fps`.
    `cut()` ends every connection, `off()` refuses new ones as well, until `on()` comes back on the same port.
    """

    def __init__(self, *, fps: float = 25, size: tuple[int, int] = (96, 64)) -> None:
        self.fps, self.size = fps, size
        self.colour = (160, 90, 40)
        self.stalled = self.frozen = False
        self.connections = 0
        self._generation = 0
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.on()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/live"

    def on(self) -> None:
        """Serve, on the port that it had before."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *arguments: Any) -> None:
                pass  # a client that hangs up

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def cut(self) -> None:
        """End every connection."""
        self._generation += 1

    def off(self) -> None:
        """End every connection, and refuse others."""
        self.cut()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.off()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.connections += 1
        generation, number = self._generation, 0
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handler.send_response(200)
        handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        handler.end_headers()
        while generation == self._generation:
            if not self.stalled:
                jpeg = self._picture(number)
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                handler.wfile.write(head.encode() + jpeg + b"\r\n")
                number += not self.frozen
            time.sleep(1 / self.fps)
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def _picture(self, number: int) -> bytes:
        width, height = self.size
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:] = self.colour[::-1]
        x = number * 5 % (width - 16)
        picture[height // 4 : height // 2, x : x + 16] = 255
        return bytes(cv2.imencode(".jpg", picture)[1])
