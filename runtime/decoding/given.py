"""Frames that a program has, in place of a file: what may be given, and what is wrong with what may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.options import check_flag, check_text

# All frames of a clip: (T, H, W, 3) uint8; or one after the other, (H, W, 3) uint8 each.
Pictures: TypeAlias = "npt.NDArray[Any] | Iterable[npt.NDArray[Any]]"
Times: TypeAlias = "Sequence[float] | npt.NDArray[Any]"
Seconds = npt.NDArray[np.float64]

_EXPECTED = "frames as an array (T, H, W, 3) of uint8, or an iterable of arrays (H, W, 3)"
_GIVE = "give a path itself, as a str or Path, or such frames"
_SEE_FRAMES = "see pptsn.Frames for what may be given"
_CLIP, _PICTURE = ("T", "H", "W", "3"), ("H", "W", "3")
_END = object()


@dataclass(frozen=True, eq=False, repr=False)
class Frames:
    """A clip that a program has as frames, in place of the path of a file.

    frames: RGB, an array (T, H, W, 3) uint8; a sequence of arrays (H, W, 3) uint8, whose sizes may differ; or an
        iterable of them that ends.  None is changed; read-only and non-contiguous ones will do, and what NumPy
        makes arrays of.
    times_s: the presentation time of each frame in seconds, never less than the one before.  They tell the
        duration, as a file's do; which frames are looked at does not depend on them.  None: it is not known.
    bgr: whether the channels are those of OpenCV, blue first.
    name: what answers and errors call the clip.

    Of arrays and sequences the frames that the sampling rule chooses are taken, and no other is looked at.  Of
    other iterables, whose number of frames shows at their end, each is resized as it comes and kept until then.
    Where they take more than 256 MB so (about 1,000 frames), every second is kept, or every fourth and so on, and
    those nearest to the chosen ones are looked at, which `Classification.warnings` tells.  Frames are taken in
    another thread than the caller's, ahead of inference; one may lie in a buffer that the next one overwrites.

    Frames that cannot be used are an InputError when they are classified.
    Raises UsageError for a name that is no text, and for a `bgr` that is neither true nor false.
    """

    frames: Pictures
    times_s: Times | None = None
    bgr: bool = False
    name: str = "clip"

    def __post_init__(self) -> None:
        check_text(self.name, "Frames, name")
        check_flag(self.bgr, "Frames, bgr")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Frames(name={self.name!r})"


def pictures_of(given: Frames, *, remedy: str = _GIVE) -> Pictures:
    """Return the frames of `given`, of an array those that it holds; raises InputError for what can hold none.

    remedy: of the error for what is neither an array nor an iterable.
    """
    if not hasattr(given.frames, "__array__"):
        if isinstance(given.frames, (str, bytes, bytearray, Mapping)) or not isinstance(given.frames, Iterable):
            raise InputError(given.name, f"is {type(given.frames).__name__}, expected {_EXPECTED}", remedy)
        return given.frames
    frames = _as_array(given.frames)
    _require(given.name, frames, _CLIP)
    return frames


def each_picture(name: str, pictures: Iterable[object], *, first: int = 0) -> Iterator[object]:
    """Yield the frames of an iterable; what the program's own code raises for one becomes an InputError.

    name: of the clip.  first: the number of the first frame.
    """
    with failing_at(name, first):
        iterator = iter(pictures)
    while True:
        with failing_at(name, first):
            picture = next(iterator, _END)
        if picture is _END:
            return
        yield picture
        first += 1


@contextmanager
def failing_at(name: str, index: int) -> Iterator[None]:
    """Make an InputError of what the program's own code raises for frame `index` of the clip `name`."""
    try:
        yield
    except Exception as error:
        cause = f"gave no frame {index} ({type(error).__name__}: {error})"
        raise InputError(name, cause, "mend what gives its frames") from error


def checked_picture(name: str, index: int, picture: object) -> npt.NDArray[np.uint8]:
    """Return frame `index` of the clip `name` as an array (H, W, 3) uint8; raises InputError where it is none."""
    if isinstance(picture, str):
        cause = f"frame {index} is a text, expected an array (H, W, 3) of uint8"
        raise InputError(name, cause, "several paths are for classify_many, and classify takes one as it is")
    if picture is None:
        cause = f"frame {index} is None, expected an array (H, W, 3) of uint8"
        raise InputError(name, cause, "stop before it: OpenCV reads None where a video ends")
    frame = _as_array(picture)
    _require(name, frame, _PICTURE, f"frame {index} ")
    return frame


def checked_times(given: Frames) -> Seconds | None:
    """Return the times of `given`, (T,) float64, or None where it has none; raises InputError for others."""
    if given.times_s is None:
        return None
    try:
        times = np.asarray(given.times_s)
    except (TypeError, ValueError):  # lists of other lengths in a list, say
        times = np.array(None, object)
    if times.ndim != 1 or (times.size and times.dtype.kind not in "iuf"):
        raise InputError(given.name, "its times are no list of numbers", "give the seconds of each frame")
    seconds = times.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(seconds))
    if len(wrong):
        raise no_time(given.name, int(wrong[0]), seconds[wrong[0]])
    back = np.flatnonzero(np.diff(seconds) < 0)
    if len(back):
        at = int(back[0]) + 1
        remedy = "give frames in the order of their times, or no times"
        raise backwards(given.name, at, seconds[at - 1], seconds[at], remedy)
    return seconds


def no_time(name: str, index: int, time_s: object) -> InputError:
    """Return the error for a time of frame `index` that is none."""
    cause = f"the time of frame {index} is {time_s}, no finite number"
    return InputError(name, cause, "give the seconds of each frame, or no times")


def backwards(name: str, index: int, before_s: float, time_s: float, remedy: str) -> InputError:
    """Return the error for frame `index`, whose time is before that of the frame before it."""
    cause = f"its times go backwards, from {before_s:g} s to {time_s:g} s at frame {index}"
    return InputError(name, cause, remedy)


def _as_array(given: object) -> npt.NDArray[Any]:
    """Return what NumPy makes of `given`: of what it cannot read, an array of one object."""
    try:
        return np.asarray(given)
    except Exception:  # of what other libraries call arrays, such as those on a GPU
        return np.array(None, object)


def _require(thing: str, array: npt.NDArray[Any], layout: tuple[str, ...], which: str = "") -> None:
    """Raise InputError where `array` is of another type or layout; which: begins the cause."""
    right = array.ndim == len(layout) and array.shape[-1] == 3
    if not right or array.dtype != np.uint8:
        what = "no array" if array.dtype == object else f"{_shape(array)} of {array.dtype}"
        remedy = _type_remedy(array) if right or array.dtype == object else _layout_remedy(array, layout)
        raise InputError(thing, f"{which}is {what}, expected ({', '.join(layout)}) of uint8", remedy)
    if len(array) == 0 and layout is _CLIP:
        raise InputError(thing, "holds no frame", "give one at least")
    if array.size == 0:
        raise InputError(thing, f"{which}has no pixel, its shape is {_shape(array)}", "leave out what is empty")


def _shape(array: npt.NDArray[Any]) -> str:
    return f"({', '.join(map(str, array.shape))})"


def _type_remedy(array: npt.NDArray[Any]) -> str:
    if array.dtype == object:
        return "make a NumPy array of it"
    if array.dtype.kind == "f":
        return "where its values are 0 to 1: (255 * x).round().astype(np.uint8)"
    return "bring its values to 0 to 255, then: x.astype(np.uint8)"


def _layout_remedy(array: npt.NDArray[Any], layout: tuple[str, ...]) -> str:
    if array.ndim == len(layout) + 1:
        return "several clips are for classify_many" if layout is _CLIP else "give frames one by one"
    last = array.shape[-1] if array.ndim else 0
    if array.ndim == len(layout) - 1 and last == 3 and layout is _CLIP:
        return "give all frames of a clip at once, a single one as x[None]"
    if array.ndim == len(layout) - 1:
        return "where it is grey: np.repeat(x[..., None], 3, axis=-1)"
    if array.ndim != len(layout):
        return _SEE_FRAMES
    if array.shape[-3] == 3:
        return "move its channels to the end: np.moveaxis(x, -3, -1)"
    return {
        1: "where it is grey: np.repeat(x, 3, axis=-1)",
        4: "leave out the fourth channel: x[..., :3]",
    }.get(last, _SEE_FRAMES)
