"""Faults of a file, whatever library meets them, as an InputError that names the file."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.pulse import STALLED_REMEDY, beat
from pptsn.runtime.video.names import number_of
from pptsn.runtime.video.wholeness.look import UNFINISHED, Content, is_scrambled, lacks_its_index, opened

# What PyAV, OpenCV and NumPy raise for a file that they cannot make frames of.  Mistakes in the program itself
# (TypeError, AttributeError, ...) are not among them.
_FILE_FAULTS = (OSError, MemoryError, ValueError, ArithmeticError, LookupError, RuntimeError, struct.error)
# The errors of these modules are faults of the file too; known by name, so that neither is imported here.
_FAULT_MODULES = frozenset({"av.error", "cv2"})


ENCRYPTED = ("is encrypted", "decrypt it with its key, or get a copy without protection")
_CHECK = "check that it is a whole video file"
# FFmpeg's "not yet implemented", known by name as above.
_UNSUPPORTED = frozenset({"PatchWelcomeError", "ExperimentalError"})
_WEBP_FLAGS, _WEBP_ANIMATION = 20, 2


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
def input_errors_only(path: object, cause: str = "cannot be decoded", remedy: str = _CHECK) -> Iterator[None]:
    """Turn what a file makes go wrong, a stop, and a stall into an InputError about `path`.  Let the rest pass.

    path: of the file or folder, or the name of what stands for one.
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


def frameless(
    path: Content,
    *,
    lost: int,
    failure: Exception | None,
    shortfall: str,
    hidden: str = "",
    has_keys: bool = True,
) -> InputError:
    """Return the error for a file that gave no frame.

    lost: packets that could not be decoded; failure: what the decoder said of the last of them.
    shortfall: how much shorter the file is than it says, in words; "" where it is all there.
    hidden: how many frames an edit list hides, in words; "" for none.  has_keys: whether a packet is a key frame.
    """
    if shortfall:
        return InputError(path, *ends_before_a_frame(shortfall))
    if hidden and not lost:
        return InputError(path, *all_hidden(hidden))
    if lacks_its_index(path):
        return InputError(path, *UNFINISHED)
    if is_scrambled(path):
        return InputError(path, *ENCRYPTED)
    if not lost:
        return InputError(path, "holds no frame", _CHECK)
    if _is_animated_webp(path):
        cause = "is an animated WebP picture, which this FFmpeg does not decode"
        return InputError(path, cause, "convert it to GIF or MP4")
    if type(failure).__name__ in _UNSUPPORTED:
        cause = "uses what this FFmpeg does not decode"
        return InputError(path, cause, "convert it to H.264")
    return InputError(path, *undecodable(lost, has_keys=has_keys))


def undecodable(lost: int, *, has_keys: bool) -> tuple[str, str]:
    """Return what is wrong with a video of which none of `lost` packets could be decoded, and the remedy."""
    none_is_key = "" if has_keys else ", none is a key frame"
    return f"holds no frame that can be decoded ({number_of(lost, 'packet')} failed{none_is_key})", _CHECK


def all_hidden(hidden: str) -> tuple[str, str]:
    """Return what is wrong with a video whose edit list leaves nothing to show, and the remedy."""
    return hidden, "copy it without the list (`ffmpeg -ignore_editlist 1 -i FILE -c copy COPY`)"


def ends_before_a_frame(shortfall: str) -> tuple[str, str]:
    """Return what is wrong with a video of which nothing is left that shows anything, and the remedy."""
    return f"ends early, before a frame that can be decoded ({shortfall})", "get the whole file"


def _is_animated_webp(path: Content) -> bool:
    """Return whether the file at `path` says so in its header (RIFF; VP8X with the animation bit)."""
    try:
        with opened(path) as file:
            head = file.read(_WEBP_FLAGS + 1)
    except OSError:
        return False
    is_webp = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) > _WEBP_FLAGS
    return is_webp and bool(head[_WEBP_FLAGS] & _WEBP_ANIMATION)


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
