"""The one door to Paddle: a clear error where it is missing, all cores and fixed arithmetic where it is not."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.base.foreign_files import home_at, passing_home

# Conditional numerical reproducibility of MKL, which does Paddle's matrix products on a CPU.  Left to itself MKL
# adds up in an order that depends on the number of threads, and may depend on where in memory a matrix lies.
# AUTO: the processor's own instructions, in a fixed order; STRICT: the same for any alignment and any number of
# threads, where MKL has kernels for the processor: on Intel's.  On others there is one order for each number of
# threads.  In training MKL does nothing but SGEMM and copies, which STRICT covers.
_REPRODUCIBLE = "AUTO,STRICT"

# What Paddle's libraries read once, on import, beside the number of threads:
_SETTINGS = {
    # A thread that waits sleeps at once, instead of keeping a core from the processes that load clips.
    "KMP_BLOCKTIME": "0",
    # The C++ side reports the start of every interpreter; errors still come through.
    "GLOG_minloglevel": "2",
}


def cpu_threads() -> int:
    """Return how many threads Paddle has: what the environment asks for, or one a core of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else available_cores()


def import_paddle(need: str, *, extra: str) -> Any:
    """Return the module `paddle`, whose results on a CPU follow from the inputs and what `arithmetic` returns.

    Sets MKL_CBWR in the environment unless it is set: MKL reads it at its first product, which comes later.
    Raises MissingDependencyError with the cause `need` ("X needs PaddlePaddle") and the extra that brings it.
    """
    os.environ.setdefault("MKL_CBWR", _REPRODUCIBLE)
    try:
        # Paddle makes a folder for data sets in the home, which nothing here uses.
        # Paddle warns of every thread count but 1 on stderr, and of a missing ccache.
        with (
            _environment({**_SETTINGS, "OMP_NUM_THREADS": str(cpu_threads())}),  # its own choice is 1
            passing_home(),
            _keeping_signals(),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            import paddle
    except ImportError as error:
        raise MissingDependencyError("paddle", f"{need} ({error})", f"run: {install_command(extra)}") from error
    _take_signals_back(paddle)
    return paddle


def import_launcher(home: Path) -> Callable[[], object]:
    """Return Paddle's launcher of ranks, which takes the program's arguments; its import writes into `home`."""
    with home_at(home):
        from paddle.distributed.launch.main import launch
    return launch


def _take_signals_back(paddle: Any) -> None:
    """Undo that Paddle's import ends the process at SIGTERM, with a trace of its own and nothing put in order."""
    paddle.disable_signal_handler()
    _handle_sigterm_as_before()


def _handle_sigterm_as_before() -> None:
    with contextlib.suppress(ValueError):  # in another thread, where nobody handles signals
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


class _AtEachImport:
    """A finder of modules that finds none, and takes SIGTERM back whenever one is looked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        _handle_sigterm_as_before()


@contextlib.contextmanager
def _keeping_signals() -> Iterator[None]:
    """Take SIGTERM back soon after Paddle took it: its import goes on for a second, one module after another."""
    finder: Any = _AtEachImport()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def arithmetic(paddle: Any) -> dict[str, str]:
    """Return what the last bits of training depend on beside its inputs: where this is equal, so are they.

    Paddle's version and device, and for a CPU its name and MKL's mode; the number of threads where that matters.
    """
    device = str(paddle.get_device())
    facts = {"paddle": str(paddle.__version__), "device": device}
    if device == "cpu":
        mode = os.environ.get("MKL_CBWR", "")
        facts |= {"processor": _processor(), "MKL_CBWR": mode}
        if not (mode.endswith(",STRICT") and "Intel" in facts["processor"]):
            facts["threads"] = str(cpu_threads())
    return facts


def _processor() -> str:
    """Return the processor's name, as Linux has it."""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set variables that are not set already while the block runs, so that child processes do not inherit them."""
    added = settings.keys() - os.environ.keys()
    os.environ.update({name: settings[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
