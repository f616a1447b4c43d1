"""What every kind of source looks like once it is open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import av

from pptsn.runtime.base.closing import Closing


@dataclass(frozen=True, eq=False)
class Captured:
    """A decoded frame.

    frame: as the decoder gave it, not yet upright or RGB.
    pts_s: presentation time in seconds on the source's own clock, or by arrival where it has none.
    captured_s: `time.monotonic()` when the packet that the frame came out with had arrived.
    """

    frame: av.VideoFrame
    pts_s: float
    captured_s: float


class OpenSource(Closing, ABC):
    """An open source, read by one thread.  Only its own process can end a read that hangs.

    live: whether it happens now; a file, or standard input, waits for its reader.
    frame_rate: frames a second as the source states them, or None.  duration_s: a file's length, or None.
    decode_errors: packets so far that could not be decoded.
    pixel_aspect: how much wider than high a pixel is to be shown.
    """

    live: bool
    frame_rate: float | None
    duration_s: float | None
    decode_errors: int = 0
    pixel_aspect: float = 1.0

    @abstractmethod
    def frames(self) -> Iterator[Captured]:
        """Yield frames in the order of presentation until the source ends.

        Corrupt packets are counted and passed over.  Raises InputError where the source fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what is held; a second call does nothing."""
