"""Faults of a file, whatever library meets them, as an InputError that names the file."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.pulse import STALLED_REMEDY, beat

# What PyAV, OpenCV and NumPy raise for a file that they cannot make frames of.  Mistakes in the program itself
# (TypeError, AttributeError, ...) are not among them.
_FILE_FAULTS = (OSError, MemoryError, ValueError, ArithmeticError, LookupError, RuntimeError, struct.error)
# The errors of these modules are faults of the file too; known by name, so that neither is imported here.
_FAULT_MODULES = frozenset({"av.error", "cv2"})


class StoppedError(Exception):
    """Whoever asked for the frames wants them no more."""


class StalledError(Exception):
    """The file gave nothing for too long; `str()` says so in words."""


def check_stop(stop: threading.Event | None) -> None:
    """Tell that reading gets on; raise StoppedError where `stop` is set."""
    beat()
    if stop is not None and stop.is_set():
        raise StoppedError


@contextmanager
def input_errors_only(
    path: Path, cause: str = "cannot be decoded", remedy: str = "check that it is a whole video file"
) -> Iterator[None]:
    """Turn what a file makes go wrong, a stop, and a stall into an InputError about `path`.  Let the rest pass.

    cause, remedy: those of the error; what exactly went wrong is added to the cause.
    """
    try:
        yield
    except StoppedError:
        raise InputError(path, "reading was stopped") from None
    except StalledError as error:
        raise InputError(path, str(error), STALLED_REMEDY) from None
    except Exception as error:
        if not _is_file_fault(error):
            raise
        raise InputError(path, f"{cause} ({_reason(error)})", remedy) from error


def _is_file_fault(error: Exception) -> bool:
    return isinstance(error, _FILE_FAULTS) or any(
        kind.__module__ in _FAULT_MODULES for kind in type(error).__mro__
    )


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    # `err` is what is to be read in an error of OpenCV, without the line of its source.
    text = getattr(error, "strerror", None) or getattr(error, "err", None) or str(error) or type(error).__name__
    return str(text).lower()
