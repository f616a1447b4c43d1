"""However a program is told to stop, and wherever it is, it ends: in order if it can, and soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pptsn.runtime.base import stopping
from pptsn.runtime.base.stopping import (
    GRACE_S,
    Stopped,
    grace,
    keeping,
    last_act,
    say_stopped,
    stop_event,
    stoppable,
    stopped_with,
    when_hurried,
)

ROOT = Path(__file__).resolve().parents[3]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# What a program may be busy with: Python, waits, a call that returns to Python in hours, what is undone for long,
# and what swallows the interrupt.
BUSY = {
    "python": "while True: pass",
    "sleep": "time.sleep(60)",
    "lock": "threading.Lock().acquire() and threading.Event().wait()",
    "foreign": "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "undoing": "try: time.sleep(60)\nfinally: time.sleep(60)",
    "swallowing": "while True:\n  try: time.sleep(60)\n  except BaseException: pass",
    "thread": "t = threading.Thread(target=time.sleep, args=(60,)); t.start()\nt.join()",
}
PROGRAM = """
import hashlib, sys, threading, time
from pptsn.runtime.base import stopping
from pptsn.runtime.base.stopping import finish, last_act, say_stopped, stoppable, watch_to_the_end
watch_to_the_end()
stopping._active.grace_s = float(sys.argv[2])
with stoppable() as stop, last_act(lambda: print("last act", flush=True)):
    try:
        print("ready", flush=True)
        exec(sys.argv[1])
    except KeyboardInterrupt:
        pass
say_stopped()
finish(stop.exit_code, within_s=10)
sys.exit(stop.exit_code)
"""


def started(work: str, *, grace_s: float = GRACE_S, **options: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, work, str(grace_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **options,  # type: ignore[call-overload]
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("work", "number"),
    [
        pytest.param(work, number, marks=() if (place + turn) % len(SIGNALS) == 0 else pytest.mark.slow)
        for place, work in enumerate(BUSY)
        for turn, number in enumerate(SIGNALS)
    ],
)
def test_a_program_ends_wherever_it_is(work: str, number: signal.Signals) -> None:
    with started(BUSY[work], grace_s=1.0) as process:
        time.sleep(0.1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (128 + number, "pptsn: stopped\n")


# Where Python drops what is raised, and says so in a traceback.
CALLBACKS = {
    "finaliser": "class A:\n  def __del__(self): signal.raise_signal(signal.SIGINT)\nA()",
    "weak reference": "class A: pass\na = A()\n"
    "r = weakref.ref(a, lambda _: signal.raise_signal(signal.SIGINT))\ndel a",
    "twice": "class A:\n  def __del__(self):\n    signal.raise_signal(signal.SIGINT)\n"
    "class B:\n  def __del__(self): time.sleep(1)\nA()\nB()",
}


@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS.keys())
def test_a_signal_that_falls_into_a_callback_is_not_lost(callback: str) -> None:
    process = started(f"import signal, weakref\n{callback}\ntime.sleep(60)", grace_s=20)
    begun_s = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert time.monotonic() - begun_s < 10  # not by the end of its grace
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in told
    assert told.startswith("pptsn: stopped")


def test_a_program_has_less_than_three_seconds_to_end() -> None:
    assert GRACE_S < 2.5


@pytest.mark.parametrize("work", ["foreign", "undoing"])
def test_a_second_ctrl_c_ends_at_once_and_what_must_be_done_is_done(work: str) -> None:
    with started(f"print('at work', flush=True)\n{BUSY[work]}", grace_s=60) as process:
        assert process.stdout.readline() == "at work\n"
        begun_s = time.monotonic()
        while process.poll() is None:  # on a busy machine two may come to it as one
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert time.monotonic() - begun_s < 50  # not by the end of its grace
    assert (process.returncode, out) == (130, "last act\n")


@pytest.mark.parametrize("work", ["time.sleep(60)", "foreign"])
def test_no_temporary_file_outlives_a_program_that_was_stopped(work: str, tmp_path: Path) -> None:
    code = f"""
import hashlib
from pathlib import Path
from pptsn.runtime.base.files import atomic_file, atomic_folder
with atomic_file(Path({str(tmp_path)!r}) / "model"), atomic_folder(Path({str(tmp_path)!r}) / "export"):
    print(flush=True)
    {BUSY.get(work, work)}"""
    with started(code) as process:
        process.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 2
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_further_sigterms_hurry_nothing() -> None:
    work = "try: print('at work', flush=True); time.sleep(60)"
    work += "\nfinally: time.sleep(1.5); print('in order', flush=True)"
    with started(work, grace_s=30) as process:
        assert process.stdout.readline() == "at work\n"
        for _ in range(4):
            process.terminate()
            time.sleep(0.25)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, "in order\n")


def test_a_signal_is_raised_once_and_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(Stopped, match="SIGTERM"), stoppable() as stop:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
    assert (stop.number, stop.exit_code) == (signal.SIGTERM, 143)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_program_that_ends_in_order_has_its_own_exit_code() -> None:
    with stoppable() as stop, stop_event(hurry_s=60, grace_s=60) as event:
        signal.raise_signal(signal.SIGTERM)
        assert event.wait(5)
    assert (stop.number, stop.exit_code) == (signal.SIGTERM, None)


def test_what_waits_is_interrupted_before_the_program_is_ended() -> None:
    came = threading.Event()
    lifted = threading.Event()
    with pytest.raises(Stopped), stoppable(), grace(60), when_hurried(came.set):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            lifted.set()
            assert came.wait(10)
    assert lifted.is_set()


def test_acts_that_fail_leave_the_others_their_turn() -> None:
    called = []
    with last_act(lambda: 1 / 0), last_act(lambda: called.append("second")):
        stopping._call_all(stopping._last_acts)
    assert called == ["second"]
    assert stopping._last_acts == []


def test_what_is_kept_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped), stoppable(), keeping("all answers are kept"):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            say_stopped()
            say_stopped()
    assert capsys.readouterr().err == "pptsn: stopped; all answers are kept\n"
    with stoppable():
        with keeping("nothing"):
            pass
        say_stopped()
    assert capsys.readouterr().err == "pptsn: stopped\n"


def test_other_threads_handle_nothing() -> None:
    found = []

    def inside() -> None:
        with stoppable() as stop:
            found.append(stop.number)

    thread = threading.Thread(target=inside)
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join()
    assert (found, signal.getsignal(signal.SIGTERM)) == ([None], before)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    with started("time.sleep(60)", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 143


@pytest.mark.parametrize(("inside", "code"), [(True, 5), (False, 128 + signal.SIGTERM)])
def test_what_is_stopped_may_have_a_code_of_its_own(inside: bool, code: int) -> None:
    with pytest.raises(Stopped), stoppable() as stop:
        if inside:
            with stopped_with(5):
                signal.raise_signal(signal.SIGTERM)
        with stopped_with(5):
            pass
        signal.raise_signal(signal.SIGTERM)
    assert stop.exit_code == code
