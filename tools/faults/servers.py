"""The servers beside the failing inputs, which misbehave, and what `pptsn stream` must make of them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.errors import VerificationError
from tools.faults.cases import NEVER, SOME, Case, at_least

# The server of RTSP has its ports by itself.
_EVIL, _RTSP, _BURSTS = 9300, range(9350, 9359), 9390
_START_S = 20.0
_AT_ONCE = 8
# Streams that misbehave have no end: by then each has said what it has to say.
_ENOUGH_S = 15.0
# A key frame is waited for up to 30 s where others come.
_WITHOUT_KEY_S = 40.0
# All processes of eight streams together.  Playlists without an end are read for as long as --timeout lets FFmpeg,
# which has no other bound.
_MOST_MB, _MOST_OF_PLAYLISTS_MB = 600, 3000
_PASSWORD = "hidden-from-all"  # noqa: S105 - nothing's
# What names a file of this machine, or another server's, must not be shown.
_FOREIGN = re.compile(r"/(ffconcat|hls_(file|passwd|concat|subfile|key|data)|redir_(file|concat)|sdp|mpd)")
_GOOD = ("/ok.ts", "/ok.mp4", "/mjpeg", "/hls_ok.m3u8", "/live.ts", "/trunc.ts")
_BURST_S = (6, 20)
_CLIP_S, _DUE = 36, 72


def misbehaviour(made: Path, hostile: Path, wanted: Callable[[Case], bool]) -> Iterator[Case]:
    """Yield the cases of `evil.py` and `rtsp.py` that are `wanted`, while the server runs."""
    text = (hostile / "evil.py").read_text(encoding="utf-8")
    paths = [*re.findall(r"p=='(/[^']+)'", text), *(f"/code{code}" for code in (401, 403, 404, 500, 503))]
    cases = [
        _streams(f"http://user:{_PASSWORD}@127.0.0.1:{_EVIL}", paths[first : first + _AT_ONCE])
        for first in range(0, len(paths), _AT_ONCE)
    ]
    if any(map(wanted, cases)):
        with _serving(hostile / "evil.py", _EVIL) as printed:
            yield from filter(wanted, cases)
            _require_credentials_kept(printed)
    case = _streams("rtsp://127.0.0.1", [f":{port}/x" for port in _RTSP])
    if wanted(case):
        with _serving(hostile / "rtsp.py", _RTSP[0]):
            yield case


def bursts(made: Path, hostile: Path, wanted: Callable[[Case], bool]) -> Iterator[Case]:
    """Yield the cases of `burst.py`, the same content in bursts, while the server runs."""
    for every_s in _BURST_S:
        options = ["--model", "MODEL", "--window", "4", "--segments", "8", "-o", "OUT/rows.jsonl"]
        words = ("stream", f"http://127.0.0.1:{_BURSTS}/x.ts?name=x", *options)
        says = {'"type": "prediction"': at_least(_DUE)}
        stop_s = _CLIP_S + every_s + _ENOUGH_S
        case = Case(f"burst.py, {every_s} s", words, (0,), says, stop_s)
        arguments = (made / "burst.ts", _CLIP_S, every_s, _BURSTS)
        if wanted(case):
            with _serving(hostile.parent / "burst.py", _BURSTS, *arguments):
                yield case


def _streams(host: str, paths: Sequence[str]) -> Case:
    """Return the case of a few streams of a host, all at once."""
    names = {path: re.sub(r"\W", "_", path.strip("/:")) for path in paths}
    options = ["--model", "MODEL", "--window", "0.4", "--segments", "4", "--timeout", "4", "-o", "OUT/rows.jsonl"]
    words = ("stream", *(f"{host}{path}?name={name}" for path, name in names.items()), *options)
    says = {_PASSWORD: NEVER}
    for path, name in names.items():
        says[rf'"stream": "{name}", .*"state": "(?!connecting|ended)'] = SOME
        if path in _GOOD or _FOREIGN.match(path):
            says[f'"type": "prediction", "stream": "{name}"'] = SOME if path in _GOOD else NEVER
    most_mb = _MOST_OF_PLAYLISTS_MB if "/hls_big.m3u8" in paths else _MOST_MB
    server, stop_s = ("evil.py", _ENOUGH_S) if "http" in host else ("rtsp.py", _WITHOUT_KEY_S)
    return Case(f"{server}, {' '.join(paths)}", words, (0, 1), says, stop_s, most_mb)


def _require_credentials_kept(printed: str) -> None:
    """Raise VerificationError where the log of requests has credentials that came to another host."""
    log = Path(printed.split(":", 1)[1].strip()) / "hits.log"
    for line in log.read_text(encoding="utf-8").splitlines():
        if "Host: 127.0.0.2" in line and "Authorization" in line:
            raise VerificationError("evil.py", f"credentials went to another host: {line}")


@contextmanager
def _serving(script: Path, port: int, *arguments: object) -> Iterator[str]:
    """Run a server; gives what it printed first, "" where it prints nothing."""
    command = [sys.executable, str(script), *map(str, arguments or [port])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            _await(port)
            yield process.stdout.readline() if process.stdout and script.name == "evil.py" else ""
        finally:
            process.kill()


def _await(port: int) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens at port {port}")
