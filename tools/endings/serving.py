"""A server on loopback that sends the files of a folder, slowly enough for the receiver to be ended meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_BLOCK_BYTES, _PAUSE_S = 100_000, 0.1


class _Slow(SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file, until who receives it has gone."""
        with suppress(OSError):
            while block := source.read(_BLOCK_BYTES):
                outputfile.write(block)
                time.sleep(_PAUSE_S)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` while the block runs; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Slow, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, name="server of weights", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
