"""Commands that are told to stop while they work, and a model that never answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.models import CROP_SIZE, LABELS, write_crafted_model
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Stopped(NamedTuple):
    """How a command ended, so many seconds after it was told to."""

    code: int
    out: str
    errors: str
    took_s: float


def write_endless_model(path: Path) -> Path:
    """Write a model that computes for ever to `path` and return it."""
    return write_crafted_model(
        path,
        f"""endless (uint8[N, {CROP_SIZE}, {CROP_SIZE}, 3] crops) => (float[N, {len(LABELS)}] logits)
            <int64 often = {{9223372036854775807}}, bool again = {{1}}, int64[3] axes = {{1, 2, 3}},
             int64[2] shape = {{-1, 1}}, float[1, {len(LABELS)}] ones = {{1, 1, 1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            brightness = ReduceMean<keepdims = 0>(pixels, axes)
            turned = Loop(often, again, brightness) <body = turn
                (int64 number, bool before, float[N] value) => (bool after, float[N] next) {{
                    after = Identity(before)
                    next = Sin(value)
                }}>
            column = Reshape(turned, shape)
            logits = MatMul(column, ones)
        }}""",
    )


def start(*arguments: object, code: str = "", **options: object) -> subprocess.Popen[str]:
    """Start a command in a session of its own, where Ctrl-C is not ignored.  code: what to run in its place."""
    program = ["-c", code] if code else ["-m", "pptsn"]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,  # type: ignore[call-overload]
    )


def wait_until_it_heeds(process: subprocess.Popen[str]) -> None:
    """Wait until a command handles SIGTERM, before which any signal ends it as it would end any other program."""

    def heeds() -> bool:
        assert process.poll() is None, process.communicate()
        status = Path(f"/proc/{process.pid}/status").read_text()
        (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    wait_until(heeds)


def stop(process: subprocess.Popen[str], number: signal.Signals, *, whole_group: bool = False) -> Stopped:
    """Send a signal, to all processes as a terminal does or to the main one alone, and wait for the end."""
    told_s = time.monotonic()
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    try:
        process.wait(30)
        took_s = time.monotonic() - told_s
        out, errors = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Stopped(process.returncode, out, errors, took_s)
