"""The RTSP server that breaks on request, as a test holds it."""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.base.closing import Closing
from tests.servers import free_port

# The interpreter for which Debian's python3-gi is installed.
SYSTEM_PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).with_name("server.py")
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
USER, PASSWORD = "camera", "s3cret"

MOUNTS = {"/cam": "plain", "/bframes": "bframes", "/talking": "talking", "/locked": "locked"}
STILL = "smpte75"  # a picture of videotestsrc in which nothing moves
START_TIMEOUT_S = 30  # the first start on a machine lists all plugins
ANSWER_TIMEOUT_S = 10


def require_gstreamer() -> None:
    """Skip the test without GStreamer's RTSP server; under REQUIRE_SERVERS=1, which CI sets, fail it."""
    trouble = _trouble()
    if not trouble:
        return
    message = f"GStreamer's RTSP server is missing ({trouble}); apt-get install {PACKAGES}"
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(message)
    pytest.skip(message)


@functools.cache
def _trouble() -> str:
    """Return what keeps the server from running here, or ""."""
    try:
        check = subprocess.run(
            [SYSTEM_PYTHON, "-I", str(PROGRAM), "--check"],
            capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if check.returncode == 0 else (check.stdout.strip() or check.stderr.strip().splitlines()[-1])


class RtspServer(Closing):
    """A server with the mount points of `mounts` (path: kind of server.py's KINDS), started at once.

    `with RtspServer() as server:` ends it whatever happens.  Each method returns when the server has done it.
    Faults that change what a mount sends hold for later connections too, and after `start_again`.
    """

    def __init__(self, mounts: Mapping[str, str] = MOUNTS) -> None:
        self.mounts = dict(mounts)
        self.port = free_port()
        self._changes: dict[str, dict[str, Any]] = {}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    # Where it serves

    def url(self, mount: str = "/cam", credentials: str = "") -> str:
        """Return the address of a mount; credentials: `user:password`."""
        return f"rtsp://{credentials and credentials + '@'}127.0.0.1:{self.port}{mount}"

    # Faults

    def stall(self, mount: str = "/cam") -> None:
        """Send no more pictures; the connection stays, with its sound and its RTCP reports."""
        self._set(mount, lost=1.0)

    def lose(self, share: float, mount: str = "/cam") -> None:
        """Leave out that share of the encoded pictures, by chance."""
        self._set(mount, lost=share)

    def resume(self, mount: str = "/cam") -> None:
        """Send all pictures again."""
        self._set(mount, lost=0.0)

    def freeze(self, mount: str = "/cam") -> None:
        """Show a picture in which nothing moves, at the same frame rate."""
        self._set(mount, pattern=STILL)

    def thaw(self, mount: str = "/cam") -> None:
        """Show a moving picture again."""
        self._set(mount, pattern="ball")

    def resize(self, width: int, height: int, mount: str = "/cam") -> None:
        """Go on in another picture size, within the same session."""
        self._set(mount, width=width, height=height)

    def set_rate(self, rate: int, mount: str = "/cam") -> None:
        """Go on with `rate` frames a second, within the same session."""
        self._set(mount, rate=rate)

    def corrupt(self, seconds: float | None = None, mount: str = "/cam", share: float = 0.02) -> None:
        """Overwrite that share of the encoded bytes from now on, for some seconds or until `mend`."""
        self._set(mount, damaged=share, for_s=seconds)

    def mend(self, mount: str = "/cam") -> None:
        """Send the encoded bytes as they are again."""
        self._set(mount, damaged=0.0)

    def shift(self, seconds: float, mount: str = "/cam") -> None:
        """Add that to the timestamps from now on; to jump backwards, shift by much and then by less."""
        if seconds < 0:
            raise ValueError(f"a shift by {seconds} s would begin before zero")
        self._set(mount, shift_s=seconds)

    def change_codec(self, codec: str, mount: str = "/cam") -> None:
        """Close all connections and send "jpeg" or "h264" in the next ones."""
        self._set(mount, codec=codec)
        self.cut()

    def cut(self) -> None:
        """Close all connections; the server goes on."""
        self._ask({"do": "cut"})

    def hang(self) -> None:
        """Stop the whole program: connections stay, new ones are accepted by the system, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End what `hang` began."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server without warning; connections are closed, and new ones refused."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.communicate(timeout=ANSWER_TIMEOUT_S)

    def start_again(self) -> None:
        """Serve again on the same port, after `kill`; what was changed before holds."""
        if self._process is not None:
            raise ValueError("the RTSP server runs: kill it first")
        self._start()
        for mount, fields in self._changes.items():
            self._ask({"do": "set", "mount": mount, **fields})

    # What there is to know

    @property
    def running(self) -> bool:
        """Whether the server is there, be it hanging."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running().pid

    def clients(self) -> int:
        """Return how many connections the server holds."""
        return int(self._ask({"do": "count"})["clients"])

    def close(self) -> None:
        """End the server; a second call does nothing."""
        self.kill()
        self._log.close()

    def _set(self, mount: str, *, for_s: float | None = None, **fields: Any) -> None:
        if for_s is None:
            self._changes.setdefault(mount, {}).update(fields)
        self._ask({"do": "set", "mount": mount, **fields, **({} if for_s is None else {"for_s": for_s})})

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ValueError("the RTSP server does not run: start it again first")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def _start(self) -> None:
        mounts = [f"--mount={path}={kind}" for path, kind in self.mounts.items()]
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, "-I", str(PROGRAM), f"--port={self.port}", *mounts],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0,
        )  # fmt: skip
        self._answer(START_TIMEOUT_S)

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        os.write(self._running().stdin.fileno(), json.dumps(command).encode() + b"\n")
        return self._answer(ANSWER_TIMEOUT_S)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        """Return the server's next answer.  Raises RuntimeError where it does not come, or is a refusal."""
        out = self._running().stdout
        # A line of an answer is written at once, so that what follows its first byte is there as well.
        ready, _, _ = select.select([out], [], [], timeout_s)
        line = out.readline() if ready else b""
        answer: dict[str, Any] = json.loads(line or b"{}")
        if not answer.get("ok"):
            trouble = answer.get("error", "it ended" if ready else f"no answer within {timeout_s} s")
            self._log.seek(0)
            raise RuntimeError(f"RTSP server: {trouble}; its log ends: {self._log.read()[-2000:].decode()}")
        return answer
