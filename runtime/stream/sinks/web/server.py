"""The sink behind the web page: a small server in a thread of its own.  The only file that imports uvicorn."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.errors import MissingDependencyError, PptsnError, install_command
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.health.snapshots import PipelineView
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.web.address import HttpAddress
from pptsn.runtime.stream.sinks.web.gate import Gate
from pptsn.runtime.stream.sinks.web.guest import Guest, Limits
from pptsn.runtime.stream.sinks.web.hub import FLUSH_S, LIVE_PATH, Hub
from pptsn.runtime.stream.sinks.web.security import Application, Guard, Receive, Scope, Send, check_access

if TYPE_CHECKING:
    import uvicorn

_KEEP_ALIVE_S = 5
_START_S = 5.0
_CLOSE_S = 1.0
# What the system may hold for a connection, and how long for a browser that does not read: then it hangs up.
_SEND_BUFFER_BYTES = 1 << 18
STALLED_S = 30.0

_BIND_ERRORS = {
    errno.EADDRINUSE: ("the port is in use", "stop the program that uses it, or choose another port"),
    errno.EACCES: ("this user may not listen there", "choose a port from 1024 on"),
    errno.EADDRNOTAVAIL: ("this machine has no such address", "use 127.0.0.1, or 0.0.0.0 with a token"),
}


class WebSink(Sink):
    """Serves the web page.

    host, port: where it listens; port 0 lets the system choose, and `address` tells after `open`.
    token: what a browser must know, see `security`; None lets everyone on this machine in.
    view: the pipeline.  top: how many classes a prediction shows.
    stalled_s: a browser that does not read for so long is disconnected.  limits: of connections.

    Raises UsageError for a bad token, or where other machines could reach the page without one.
    """

    keeps_results = False

    def __init__(
        self,
        host: str,
        port: int,
        *,
        view: PipelineView,
        token: str | None = None,
        top: int = 5,
        stalled_s: float = STALLED_S,
        limits: Limits | None = None,
    ) -> None:
        self.address = HttpAddress(host, port)
        check_access(self.address, token)
        self.name = "web page"
        self._token = token
        self._view = view
        self._top = top
        self._stalled_s = stalled_s
        self._limits = limits or Limits()
        self._hub = Hub(view, top=top)
        self._running: _Running | None = None

    def open(self) -> None:
        """Listen and start.

        Raises MissingDependencyError where a package is missing, and PptsnError where the address cannot be had.
        """
        try:
            import uvicorn  # noqa: F401

            from pptsn.runtime.stream.sinks.web.routes import application
        except ImportError as error:
            package = (error.name or str(error)).partition(".")[0]
            raise MissingDependencyError(
                "--http", f"needs the package {package}", install_command("web")
            ) from error
        listener = _listen(self.address, stalled_s=self._stalled_s)
        self.address = HttpAddress(self.address.host, listener.getsockname()[1])
        app = application(self._view, self._hub, top=self._top)
        self._running = _Running(Guard(app, address=self.address, token=self._token), listener, self._limits)
        self._running.start(self.address)

    def write(self, message: Message) -> None:
        """Hand `message` to the browsers; waits for none of them."""
        self._hub.write(message)

    def idle(self) -> None:
        """Raise PptsnError where a request has failed by our own fault, or the server ended."""
        if self._running is not None:
            self._running.check()

    def close(self) -> None:
        """Hang up and stop, within a second; a second call does nothing."""
        running, self._running = self._running, None
        if running is None:
            return
        self._hub.close()
        # Browsers that read hear the end of their stream in an orderly way; the others are cut off.
        deadline_s = time.monotonic() + 3 * FLUSH_S
        while self._hub.browsers and time.monotonic() < deadline_s:
            time.sleep(FLUSH_S / 10)
        running.stop()


class _Running:
    """A server in a daemon thread with its own event loop."""

    def __init__(self, application: Application, listener: socket.socket, limits: Limits) -> None:
        self._application = application
        self._listener = listener
        self._failure: Exception | None = None
        self._server = _make_server(self._answer)
        self._gate = Gate(listener, lambda guest: _protocol(self._server, guest), limits)
        self._thread = threading.Thread(target=self._run, name="web page", daemon=True)

    def start(self, address: HttpAddress) -> None:
        """Return once requests are answered; raises PptsnError where it does not come to that."""
        self._thread.start()
        deadline_s = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline_s:
                self.stop()
                cause = f"the server did not start ({self._failure or f'no answer after {_START_S:g} s'})"
                raise PptsnError(f"--http {address}", cause, f"update its packages: {install_command('web')}")
            time.sleep(0.01)

    def check(self) -> None:
        """Raise PptsnError where a request failed since the last call, or the server ended by itself."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise PptsnError("web page", f"a request failed ({type(failure).__name__}: {failure})")
        if not self._thread.is_alive():
            raise PptsnError("web page", "the server has ended", "start the program again")
        self._gate.check()

    def stop(self) -> None:
        """End the server and its connections."""
        self._server.should_exit = True
        self._thread.join(_CLOSE_S)
        self._listener.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # whatever it is, `check` tells it
            self._failure = error

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._note_failure)
        self._gate.open()
        await self._server.serve(sockets=[])  # the gate listens
        # Those that do not read would otherwise stay until the collector finds them.
        self._gate.close()

    def _note_failure(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Leave it to `check` to tell what asyncio would log, as often as it happens."""
        error = context.get("exception")
        self._failure = error if isinstance(error, Exception) else RuntimeError(context["message"])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with scope["state"]["guest"].answering(endless=scope["path"] == LIVE_PATH):
                await self._application(scope, receive, send)
        except Exception as error:
            self._failure = error
            raise


def _make_server(application: Any) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",  # what goes wrong is told by `check`, in one line
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def _protocol(server: uvicorn.Server, guest: Guest) -> asyncio.Protocol:
    """Return what answers the requests of `guest`; they have it as `scope["state"]["guest"]`."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return H11Protocol(server.config, server.server_state, app_state={"guest": guest})


def _listen(address: HttpAddress, *, stalled_s: float) -> socket.socket:
    """Return a bound socket; raises PptsnError where the address cannot be had."""
    try:
        candidates = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise PptsnError(
            f"--http {address}", "there is no such host", "use 127.0.0.1, or an address of yours"
        ) from error
    reason: OSError | None = None
    for family, kind, protocol, _, socket_address in candidates:
        listener = socket.socket(family, kind, protocol)
        try:
            _set_options(listener, stalled_s=stalled_s)
            listener.bind(socket_address)
        except OSError as error:
            listener.close()
            reason = error
        else:
            return listener
    number = reason.errno if reason else None
    cause, remedy = _BIND_ERRORS.get(number or 0, (f"cannot be had ({reason})", "choose another address"))
    raise PptsnError(f"--http {address}", cause, remedy) from reason


def _set_options(listener: socket.socket, *, stalled_s: float) -> None:
    """Set what the connections inherit."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Also counts a window that stays closed, that is a reader that does not read.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * stalled_s))
