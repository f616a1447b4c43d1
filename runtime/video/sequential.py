"""Decoding a file from its beginning, past what is damaged in it.  This defines which frame is number i."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av.error

from runtime.video.container import OpenVideo, open_container
from runtime.video.frame import Transform, VideoFrame
from runtime.video.index import video_packets
from runtime.video.picture import PictureMaker

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.video.stream import VideoStream

# Decoders that gain from decoding several frames at once and are known to give the same bytes when they do.
_FRAME_THREADED = frozenset({"h264", "hevc", "vp9"})
# Smaller pictures are decoded faster than threads are told about them.
_FRAME_THREADED_AREA = 480 * 270


@dataclass
class Findings:
    """What a sequential decode met on its way."""

    frames: int = 0
    lost: int = 0
    damaged: int = 0
    cut_short: str = ""
    sizes: set[tuple[int, int]] = field(default_factory=set)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, damaged or cut off."""
        return not (self.lost or self.damaged or self.cut_short)


@dataclass(frozen=True)
class Pass:
    """One walk through a file: the frames that were picked, by index, and what was met."""

    picked: dict[int, VideoFrame]
    findings: Findings


def decode_all(video: OpenVideo, findings: Findings) -> Iterator[av.VideoFrame]:
    """Yield every frame that a freshly opened file gives, in the decoder's order, and write down the rest."""
    try:
        for packet in video_packets(video):
            yield from _decode(video, packet, findings)
    except (av.error.FFmpegError, OSError) as error:
        findings.cut_short = str(getattr(error, "strerror", None) or error)
    yield from _decode(video, None, findings)


def _decode(video: OpenVideo, packet: Packet[VideoStream] | None, findings: Findings) -> Iterator[av.VideoFrame]:
    try:
        frames = video.codec.decode(packet)
    except (av.error.FFmpegError, OSError):
        # After a damaged packet the decoder can go on with the next; `container.decode` would end here.
        findings.lost += 1
        return
    for frame in frames:
        findings.frames += 1
        findings.damaged += frame.is_corrupt
        findings.sizes.add((frame.width, frame.height))
        yield frame


def gains_from_threads(video: OpenVideo) -> bool:
    """Return whether decoding several frames of `video` at once is faster and gives the same bytes."""
    return video.codec.name in _FRAME_THREADED and video.area >= _FRAME_THREADED_AREA


def pick_frames(
    path: Path,
    wanted: Collection[int],
    *,
    transform: Transform | None = None,
    whole: bool = False,
    threaded_for: int | None = None,
) -> Pass:
    """Decode `path` from its beginning and return the frames at the indices `wanted`.

    whole: go on to the end, so that the findings hold the true number of frames.
    threaded_for: decode several frames at once while all is well, which is when the file has this many frames
        and none is damaged.  What decoders make of a damaged file then depends on chance, so that such a file
        is decoded again by one thread.
    """
    if threaded_for is not None:
        found = _pick(path, wanted, transform, whole=whole, threading="FRAME", only_clean=True)
        if found.findings.clean and found.findings.frames == (threaded_for if whole else found.findings.frames):
            return found
    return _pick(path, wanted, transform, whole=whole, threading="NONE", only_clean=False)


def _pick(
    path: Path,
    wanted: Collection[int],
    transform: Transform | None,
    *,
    whole: bool,
    threading: str,
    only_clean: bool,
) -> Pass:
    findings = Findings()
    picked: dict[int, VideoFrame] = {}
    wanted = frozenset(wanted)
    last = max(wanted, default=-1)
    video = open_container(path, threading=threading)
    try:
        pictures = PictureMaker(str(path), video.stream.time_base, transform)
        for index, frame in enumerate(decode_all(video, findings)):
            if only_clean and not findings.clean:
                break
            if index in wanted:
                picked[index] = pictures.make(frame, index)
            if index >= last and not whole:
                break
    finally:
        video.close()
    return Pass(picked, findings)
