"""What a video source hands out: a decoded frame, and the protocol that files and picture folders share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pptsn.runtime.video.damage import Damage

_Source = TypeVar("_Source")

Pixels = npt.NDArray[np.uint8]

# Applied to a frame's pixels as soon as they are decoded, so that only its result is kept (a resize, say).
# A video file may call it from several threads at once.
Transform = Callable[[Pixels], Pixels]

# From the number of frames to the indices that are wanted: a sampling rule with its segments filled in.
Choose = Callable[[int], Sequence[int]]


@dataclass(frozen=True)
class VideoFrame:
    """One frame, upright.

    pixels: (H, W, 3) uint8 RGB, C-contiguous, owned by this frame; where a transform was given, its result.
    index: the frame is number `index` of those that a sequential decode yields, from 0.
    pts_s: presentation time in seconds on the file's own clock, which need not start at 0; None where the
        file has none.
    source: the path that the frame was read from.
    ready_s: when its pixels were ready, by `time.perf_counter`.
    """

    pixels: Pixels
    index: int
    pts_s: float | None
    source: str
    ready_s: float = field(default_factory=time.perf_counter, compare=False)


@dataclass(frozen=True)
class Restart:
    """The frames so far do not count: what the file promised proved wrong on the way, and they come anew."""


class FrameSource(Protocol):
    """A video file or a folder of pictures, open for reading.  Not for use from several threads at once.

    Frames are numbered as a sequential, error-tolerant decode yields them.  Every method raises InputError
    where the source turns out to hold no frame, and where it cannot be decoded; UsageError is for what the caller
    asks, never for what the source holds.
    """

    @property
    def path(self) -> object:
        """What errors call it: a path, a file of a web server, or a name."""
        ...

    @property
    def lost_frames(self) -> int:
        """How many packets or pictures could not be decoded in full so far; meaningful once frames were read."""
        ...

    @property
    def damage(self) -> Damage:
        """How much is known to have come out damaged; meaningful once frames were read."""
        ...

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the source though it can be used, as far as known; one phrase each."""
        ...

    @property
    def ends_early(self) -> bool:
        """Whether the source is known to be cut off."""
        ...

    def decode_all(self) -> int:
        """Decode every frame, keeping none, and return how many there are; damage and warnings are known then."""
        ...

    def frame_count(self) -> int:
        """Return how many frames there are; may decode the file once where it cannot be known otherwise."""
        ...

    def duration_s(self) -> float | None:
        """Return the length of its frames in seconds, or None where they have no times."""
        ...

    def read(self, indices: Sequence[int], *, transform: Transform | None = None) -> list[VideoFrame]:
        """Return one frame per index, in the order asked for; a repeated index gives the same object again.

        Holds the wanted frames and nothing else.  Raises UsageError for an index outside the video.
        """
        ...

    def read_sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> list[VideoFrame]:
        """Return the frames at `choose(frame_count)`, as `read` does.

        Cheaper than `frame_count` and `read` where the count is known only by decoding.  `choose` may be called
        a second time with another count, but never with 0.
        stop: once another thread sets it, decoding ends at the next packet or picture, with an InputError that
        says so.  The source can be read again afterwards.
        """
        ...

    def sampled(
        self, choose: Choose, *, transform: Transform | None = None, stop: threading.Event | None = None
    ) -> Iterator[VideoFrame | Restart]:
        """Yield the frames at `choose(frame_count)` as they are decoded, each once, in the decoder's order.

        After a Restart, before which `choose` may or may not have been called again, all frames come anew.  An
        error ends the iteration: the frames before it are not to be used.  The arguments are `read_sampled`'s,
        which is for those who need all frames and no surprise.
        """
        ...

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames in turn, one at a time."""
        ...

    def __iter__(self) -> Iterator[VideoFrame]: ...

    def __enter__(self: _Source) -> _Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Give back what the source holds; a second call does nothing."""
        ...


def gathered(
    sampled: Callable[..., Iterator[VideoFrame | Restart]],
    choose: Choose,
    *,
    transform: Transform | None,
    stop: threading.Event | None,
) -> list[VideoFrame]:
    """Return what a source's `read_sampled` promises, of what its method `sampled` gives."""
    wanted: Sequence[int] = ()

    def noting(count: int) -> Sequence[int]:
        nonlocal wanted
        wanted = list(choose(count))
        return wanted

    found: dict[int, VideoFrame] = {}
    for item in sampled(noting, transform=transform, stop=stop):
        if isinstance(item, Restart):
            found.clear()
        else:
            found[item.index] = item
    return [found[index] for index in wanted]
