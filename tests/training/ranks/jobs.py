"""Jobs of several ranks on this machine: processes that meet at a free port of the loopback, and end in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "from pptsn.cli.program import run; run()"
# Such a job takes seconds on a quiet machine.
TIMEOUT_S = 240


def environment_of(rank: int, count: int, port: int) -> dict[str, str]:
    """Return what Paddle's launcher would give a rank on a CPU, beside this process's environment."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PADDLE_MASTER": f"127.0.0.1:{port}",
        "PADDLE_TRAINER_ID": str(rank),
        "PADDLE_TRAINERS_NUM": str(count),
        "PADDLE_LOCAL_SIZE": str(count),
        "PADDLE_CURRENT_ENDPOINT": f"127.0.0.1:{port + 1 + rank}",
        "PADDLE_TRAINER_ENDPOINTS": ",".join(f"127.0.0.1:{port + 1 + number}" for number in range(count)),
        "PADDLE_DISTRI_BACKEND": "gloo",
    }


@contextmanager
def started(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]
) -> Iterator[list[Process]]:
    """Start a process a command, each in a session of its own; none is left after the block."""
    processes: list[Process] = []
    try:
        for command, environment in zip(commands, environments, strict=True):
            processes.append(
                subprocess.Popen(
                    command,
                    env=dict(environment),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def ended(processes: Sequence[Process]) -> list[tuple[int, str, str]]:
    """Return the exit code, the output and the errors of each of `processes`, which end in time."""
    found = []
    for process in processes:
        out, errors = process.communicate(timeout=TIMEOUT_S)
        found.append((process.returncode, out, errors))
    return found


def run_ranks(*arguments: object, count: int = 2, code: str = COMMAND) -> list[tuple[int, str, str]]:
    """Run `pptsn ARGUMENTS`, or other `code`, by `count` ranks; return what each ended with, see `ended`."""
    commands = [[sys.executable, "-c", code, *map(str, arguments)]] * count
    port = free_port()
    with started(commands, [environment_of(rank, count, port) for rank in range(count)]) as processes:
        return ended(processes)


def errors_of(text: str) -> list[str]:
    """Return the lines of `text` that are errors."""
    return [line for line in text.splitlines() if line.startswith("pptsn: error:")]


Process = subprocess.Popen[str]
