"""What a capture process is started with, and what it and its supervisor say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any, TypeAlias

from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.recording.overlay import Overlay, VideoFile
from pptsn.runtime.stream.sources.base import SourceUri


class HandedDescriptor:
    """A descriptor that goes to the process which is being started, where `number` is its own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getstate__(self) -> Any:
        return DupFd(self.number)

    def __setstate__(self, state: Any) -> None:
        self.number = state.detach()


@dataclass(frozen=True)
class CaptureJob:
    """What a capture process is to do.

    stream, session: for the stamps of its frames.
    step_s, max_gap_s: of the time grid.  short_side, resize_rule: of the model.
    timeout_s: for opening, and for each wait for data.
    realtime: files at their own pace.  waits: wait for a free slot, rather than drop the frame; None: a source
        that does not come at a pace of its own waits.
    frozen_after_s: a picture that comes at a pace, and has not changed for so long, is frozen; 0: never.
    video: where the annotated video goes, or None.
    """

    uri: SourceUri
    stream: str
    session: int
    step_s: float
    max_gap_s: float
    short_side: int
    resize_rule: str
    timeout_s: float
    realtime: bool
    waits: bool | None
    frozen_after_s: float
    video: VideoFile | None = None


@dataclass(frozen=True)
class Opened:
    """The source is open.  waits: as settled now, see CaptureJob; the others are those of OpenSource."""

    live: bool
    waits: bool
    frame_rate: float | None
    duration_s: float | None


@dataclass(frozen=True)
class Counts:
    """So far: frames decoded; packets that could not be, or came out damaged; sampled frames without a slot."""

    decoded: int
    decode_errors: int
    dropped: int


@dataclass(frozen=True)
class Sampled:
    """A sampled, resized frame of `height` x `width`, in `slot`, or in `inline` where no slot is large enough.

    source_size: width and height of the picture as it came.  frozen: whether the picture stands still.
    due_s: from when on it is late, by `time.monotonic`: when it came, or of a burst later, see DueTimes.
    damaged: whether nearly all of the newest pictures came out damaged.
    anew: why a new stretch of time begins with it, a phrase; "" where none does, or the size tells.
    """

    slot: int
    inline: bytes
    height: int
    width: int
    stamp: FrameStamp
    source_size: tuple[int, int]
    frozen: bool
    counts: Counts
    due_s: float = 0.0
    anew: str = ""
    damaged: bool = False


@dataclass(frozen=True)
class Progress:
    """Frames come, though none was sampled, or data of which none can be shown yet."""

    counts: Counts


@dataclass(frozen=True)
class LivePicture:
    """A picture for people: see health.Picture."""

    jpeg: bytes
    width: int
    height: int
    wall_time: float


@dataclass(frozen=True)
class Remark:
    """Something that the user should know, such as why the recording ended.

    once: it is not said again of a later connection to the source.  lost: it tells that results are lost.
    """

    text: str
    once: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Ended:
    """The last message: the source ended by itself, or failed.

    cause, remedy: of the error, "" where there is none.  hopeless: opening it again is no use.
    """

    counts: Counts
    cause: str = ""
    remedy: str = ""
    hopeless: bool = False
    exit_code: int = 1


FromCapture: TypeAlias = "Opened | Sampled | Progress | LivePicture | Remark | Ended"


@dataclass(frozen=True)
class Stop:
    """Finish."""


@dataclass(frozen=True)
class WantPictures:
    """Whether somebody looks at the pictures."""

    wanted: bool


@dataclass(frozen=True)
class Answered:
    """All sampled frames up to `time_s` have been inferred, or dropped."""

    time_s: float


ToCapture: TypeAlias = "Stop | WantPictures | Answered | Overlay"
