from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pptsn.runtime.stream.run.stopping import reader_watch, stop_signals

ROOT = Path(__file__).resolve().parents[4]
WAITING = """
import time
from pptsn.runtime.stream.run.stopping import stop_signals
with stop_signals() as stop:
    print("ready", flush=True)
    while not stop.wait(0.05): pass
    print("stopping", flush=True)
    time.sleep(30)
"""


@contextmanager
def waiting(*wrapper: str, code: str = WAITING, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a program that is busy ending for half a minute once it has been asked to stop."""
    command = [*wrapper, sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_noted_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_the_program_at_once_and_further_sigterms_do_not() -> None:
    with waiting(stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "stopping\n"
        for _ in range(3):
            time.sleep(0.3)
            process.terminate()
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(25) == 128 + signal.SIGTERM


def test_a_ctrl_c_that_a_wrapper_doubles_is_one() -> None:
    doubled = "signal.raise_signal(signal.SIGINT)\n    " * 2  # by itself: from here the second may come late
    code = WAITING.replace("while", f"import signal; {doubled}while", 1)
    with waiting(code=code, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        assert process.stdout.readline() == "stopping\n"
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(25) == 128 + signal.SIGINT


def test_a_hangup_that_is_ignored_stays_so() -> None:
    with waiting("nohup", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert select.select([process.stdout], [], [], 0.5)[0] == []
        process.terminate()
        assert process.stdout.readline() == "stopping\n"


def test_the_cursor_comes_back_where_a_terminal_is_left_at_once() -> None:
    leader, follower = pty.openpty()
    with open(leader, "rb", buffering=0) as screen, waiting(stdout=follower, stderr=follower) as process:
        os.close(follower)
        read_until(screen, b"ready")
        process.terminate()
        read_until(screen, b"stopping")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        read_until(screen, b"\x1b[?25h")
        assert process.wait(25) == 128 + signal.SIGTERM


def read_until(screen: object, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        seen += screen.read(1000)  # type: ignore[attr-defined]


def test_the_reader_of_standard_output_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        gone = reader_watch()
        assert not gone()
        os.close(reading)
        assert gone()


def test_a_file_has_no_reader_that_could_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (tmp_path / "out", Path(os.devnull)):
        with place.open("w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            assert not reader_watch()()
