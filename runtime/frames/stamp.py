"""Which frame of a stream it is, and when it was: made once, where the frame is sampled, then carried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameStamp:
    """Where a sampled frame of a stream belongs.

    stream: the stream's name.  session: counts its connections from 0.
    epoch, slot: of the session's time grid, see GridSlot.
    time_s: presentation time, in seconds from the session's first frame.
    wall_time: Unix time at which the frame was captured.
    captured_s, decoded_s: when its packet had come from the source, and when it was decoded and resized; seconds
        of `time.monotonic`, which all processes of a machine share.
    """

    stream: str
    session: int
    epoch: int
    slot: int
    time_s: float
    wall_time: float
    captured_s: float
    decoded_s: float

    @property
    def stretch(self) -> tuple[int, int]:
        """The stretch of time without a gap that the frame is part of: session and epoch."""
        return self.session, self.epoch
