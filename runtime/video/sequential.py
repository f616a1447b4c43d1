"""Decoding a file from its beginning, past what is damaged in it.  This defines which frame is number i."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av.error

from pptsn.runtime.base.stages import DECODE, DEMUX, stage
from pptsn.runtime.video.container import OpenVideo, open_container
from pptsn.runtime.video.damage import Beginning
from pptsn.runtime.video.faults import check_stop
from pptsn.runtime.video.frame import Transform, VideoFrame
from pptsn.runtime.video.index import video_packets
from pptsn.runtime.video.picture import PictureMaker

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pptsn.runtime.video.web.content import Media


@dataclass
class Findings:
    """What a sequential decode met on its way.

    frames: that came out, of which damaged: so many are; taken, taken_damaged: the same of those that were wanted.
    newest_damaged: whether the newest frame is.
    lost: packets that could not be decoded; failure: what the decoder said of the last of them.
    missing: frames before the first one that did not come out; late_start: the same in words, "" for none.
    interlaced: frames made of two fields each.  cut_short: what ended the file early; empty where nothing did.
    """

    frames: int = 0
    damaged: int = 0
    taken: int = 0
    taken_damaged: int = 0
    newest_damaged: bool = False
    lost: int = 0
    failure: Exception | None = None
    missing: int = 0
    late_start: str = ""
    interlaced: int = 0
    cut_short: str = ""
    sizes: set[tuple[int, int]] = field(default_factory=set)


def decode_all(
    video: OpenVideo, findings: Findings, *, stop: threading.Event | None = None
) -> Iterator[av.VideoFrame]:
    """Yield every frame that a freshly opened file gives, in the decoder's order, and write down the rest.

    Raises StoppedError before the first packet for which `stop` is found set.
    """
    beginning = Beginning(video.codec.name, float(video.stream.time_base or 0))
    try:
        for packet in video_packets(video):
            check_stop(stop)
            yield from _decode(video, packet, beginning, findings)
    except (av.error.FFmpegError, OSError) as error:
        findings.cut_short = str(getattr(error, "strerror", None) or error)
    yield from _decode(video, None, beginning, findings)


def _decode(
    video: OpenVideo, packet: Packet[VideoStream] | None, beginning: Beginning, findings: Findings
) -> Iterator[av.VideoFrame]:
    beginning.send(packet)
    try:
        with stage(DECODE):
            frames = video.codec.decode(packet)
    except (av.error.FFmpegError, OSError) as error:
        # After a damaged packet the decoder can go on with the next; `container.decode` would end here.
        findings.lost += 1
        findings.failure = error
        return
    for frame in frames:
        findings.frames += 1
        is_whole = beginning.is_whole(frame, lost=findings.lost)
        findings.missing, findings.late_start = beginning.missing, beginning.told()
        findings.newest_damaged = frame.is_corrupt or not is_whole
        findings.damaged += findings.newest_damaged
        findings.interlaced += frame.interlaced_frame
        findings.sizes.add((frame.width, frame.height))
        yield frame


def pick_frames(
    path: Media,
    wanted: Collection[int],
    findings: Findings,
    *,
    transform: Transform | None = None,
    whole: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[VideoFrame]:
    """Decode `path` from its beginning, yield the frames at the indices `wanted`, and write down what was met.

    whole: go on to the end, so that the findings hold the true number of frames.
    stop: ends the decode with a StoppedError once it is set.
    """
    wanted = frozenset(wanted)
    last = max(wanted, default=-1)
    with stage(DEMUX):
        video = open_container(path)
    try:
        pictures = PictureMaker(str(path), video.stream.time_base, transform)
        for index, frame in enumerate(decode_all(video, findings, stop=stop)):
            pictures.saw(frame)
            if index in wanted:
                findings.taken += 1
                findings.taken_damaged += findings.newest_damaged
                yield pictures.make(frame, index)
            if index >= last and not whole:
                break
    finally:
        video.close()
