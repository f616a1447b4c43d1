"""Starting processes that work for this one, and what holds for all of them: how they live, and end with it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path
from types import FrameType
from typing import Any

from pptsn.runtime.base.lines import drop_unwritten
from pptsn.runtime.base.temporary import folder_until_exit, remove_temporaries

# What may be sent to the whole program, and concerns its main process alone.
STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
# What stands for the name of a signal where a process is given up, as nothing gets on in it.
STALLED = "stalled"
# multiprocessing's own table of processes is not for several threads: of two that find one ended, one would be
# told another exit code.
_table = threading.Lock()
# Over what a process is started with, and its start: several at once would leave each other too few descriptors.
_starting = threading.Lock()
# A start, with the slots and the pipe that it is for, takes ten of them, most of them for a moment.
_SPARE_DESCRIPTORS = 16
# Among what multiprocessing does at the end of the program, when no process is started any more.
_LAST = -100


@contextmanager
def room_to_start() -> Iterator[None]:
    """Hold what one process is started with, and its start: one at a time, and with descriptors to spare.

    A start that runs out of them half-way ends the fork server, with a traceback; and some are left so for
    whatever else the program opens.
    Raises OSError where few are left.
    """
    with _starting:
        _check_descriptors()
        yield


def _check_descriptors() -> None:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        held = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except FileNotFoundError:  # no such folder here
        return
    if most != resource.RLIM_INFINITY and most - held < _SPARE_DESCRIPTORS:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def start_process(
    target: Callable[..., None], arguments: tuple[Any, ...], *, name: str, preload: tuple[str, ...]
) -> BaseProcess:
    """Start and return a process that calls `target(*arguments)`; it is killed where this one ends in order.

    preload: modules that the fork server imports before its first fork, so that no process has to; those of
        whoever starts the first process count.
    To be called with `room_to_start`, which holds the making of what `arguments` have as well.
    Raises OSError or EOFError where the system has no process, memory or descriptor left.
    """
    if multiprocessing.current_process().daemon:
        raise OSError("a process of multiprocessing's may start none")
    process = _context(preload).Process(target=target, args=arguments, name=name, daemon=True)
    with _table:
        _run_server()
        drop_unwritable_output()
        with _without_main():
            process.start()
    return process


def killed_by(process: BaseProcess) -> str | None:
    """Return the name of the signal that ended `process`, which has gone or is about to; None where none did."""
    code = _wait(process)
    return signal.Signals(-code).name if code is not None and code < 0 else None


def let_go(process: BaseProcess) -> None:
    """Give back what this process holds of `process`, which was killed."""
    if _wait(process) is not None:
        process.close()


def _wait(process: BaseProcess) -> int | None:
    with _table:
        process.join(1)
        return process.exitcode


def ignore_stop_signals(*, terminate: Callable[[int, FrameType | None], None] | None = None) -> None:
    """Leave it to the main process what becomes of this one when the whole program is told to stop.

    terminate: handles SIGTERM all the same.
    """
    for number in STOP_SIGNALS - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminate or signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def let_go_of_program() -> None:
    """Hold nothing, in a process that starts none, that would keep others waiting if the system could not end it.

    Those are the readers of the program's output, and multiprocessing's own processes, which end with the last
    process that holds their pipes.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    server, tracker = forkserver._forkserver, resource_tracker._resource_tracker
    for owner, name in ((server, "_forkserver_alive_fd"), (tracker, "_fd")):
        held = getattr(owner, name, None)
        if isinstance(held, int):
            setattr(owner, name, None)
            os.close(held)


def end_with_parent() -> None:
    """From now on end this process as soon as the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), name="end with parent", daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


@cache
def _context(preload: tuple[str, ...]) -> ForkServerContext:
    """Return what starts processes: forks of a server that has imported what they need, and has no threads.

    Forked from this process they would inherit locks that its threads hold; started afresh, each would take half
    a second and as much memory again.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _run_server() -> None:
    """Start the fork server, unless it runs.

    Signals that are meant for the program as a whole end neither the server, which is needed to the last, nor a
    process that is about to be told what to do.
    """
    folder = _place_sockets()
    resource_tracker.ensure_running()  # first: starting it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        with _sockets_in(folder):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@cache
def _place_sockets() -> str:
    """Return a short name of the folder for multiprocessing's socket, found again where this process is killed.

    The folder's own name is for whatever else multiprocessing puts there; without it, it makes a folder
    `pymp-...`, which nobody could tell from those of other programs.
    The path of a socket has a hundred bytes, and that of the temporary folder may have more; so the short name is
    that of a descriptor of the folder, which stays open as the socket is connected to with each start.
    """
    folder: str = _config().setdefault("tempdir", str(folder_until_exit()))
    Finalize(None, remove_temporaries, exitpriority=_LAST)
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return folder
    return str(descriptors / str(os.open(folder, os.O_DIRECTORY | os.O_CLOEXEC)))


@contextmanager
def _sockets_in(folder: str) -> Iterator[None]:
    """Have multiprocessing make its socket in `folder`, whose name means something to this process alone."""
    config = _config()
    before = config["tempdir"]
    config["tempdir"] = folder
    try:
        yield
    finally:
        config["tempdir"] = before


def _config() -> dict[str, Any]:
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config")  # noqa: B009 - it is private
    return config


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a process start without running the user's script again, as multiprocessing would have it.

    It needs nothing from it; so a script needs no `__main__` guard, and may even be read from a pipe.
    """
    main = sys.modules["__main__"]
    hidden = {}
    try:
        for name in ("__spec__", "__file__"):
            if hasattr(main, name):
                hidden[name] = getattr(main, name)
                setattr(main, name, None)
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def drop_unwritable_output() -> None:
    """Let go what standard output and error hold and cannot write: a full disk below a log, say.

    multiprocessing flushes both before it starts a process, and would start none.
    """
    for stream in (sys.stdout, sys.stderr):
        drop_unwritten(stream)
