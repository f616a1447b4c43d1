"""What the streams of a trial show: a clip that is made for it, or the user's own source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.video.stream import VideoStream

from pptsn.benchmarks.measure.long_clip import SHORT_S, SHORT_SIZE, short_clip
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.options import options_of
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import kind_of, open_source
from pptsn.runtime.stream.sources.uri import parse_source
from pptsn.runtime.video.drawn import FPS

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

_OPENING_S = 10.0


@dataclass(frozen=True, kw_only=True)
class LiveSource:
    """What each stream of a trial reads.

    name: how reports call it.  fps: its frames a second, or None where it does not tell.
    """

    uri: SourceUri
    name: str
    fps: float | None


@contextmanager
def live_source(text: str | None, *, clips: Path, least_s: float) -> Iterator[LiveSource]:
    """Yield the source that `text` names as `pptsn stream` has it; None: a clip of 640x360 at 30 frames a second.

    A file runs at its own pace, and over again where it is shorter than `least_s`.
    clips: the folder where the clip is made, unless it is there.

    Raises UsageError for what many streams cannot read at once, or as fast as they like, and InputError for what
    cannot be read.
    """
    with temporary_folder() as folder:
        if text is None:
            times = math.ceil(least_s / SHORT_S)
            clip = repeat_clip(short_clip(clips), folder / "clip.mp4", times=times)
            yield LiveSource(uri=parse_source(str(clip)), name="H.264 {}x{}".format(*SHORT_SIZE), fps=float(FPS))
        else:
            yield _named_source(text, folder, least_s)


def _named_source(text: str, folder: Path, least_s: float) -> LiveSource:
    uri = parse_source(text)
    kind = kind_of(uri)
    if kind.is_exclusive:
        remedy = "name a file, or a network address"
        raise UsageError("--source", f"many streams cannot read {uri.display} at once", remedy)
    with open_source(uri, timeout_s=_OPENING_S) as opened:
        duration_s, fps, live = opened.duration_s, opened.frame_rate, opened.live
    path = kind.file_of(uri)
    if path is None:
        if not live:
            hint = "; live=1 makes it one" if "live" in options_of(kind.options) else ""
            remedy = f"name a live source, or a file{hint}"
            raise UsageError("--source", f"{uri.display} has no pace of its own", remedy)
        return LiveSource(uri=uri, name=uri.display, fps=fps)
    if duration_s is not None and duration_s < least_s:
        clip = repeat_clip(path, folder / "clip.mkv", times=math.ceil(least_s / duration_s))
        uri = dataclasses.replace(uri, target=str(clip))
    return LiveSource(uri=uri, name=path.name, fps=fps)


def repeat_clip(path: Path, target: Path, *, times: int) -> Path:
    """Write the video of `path` to `target`, `times` over, without encoding it anew; return `target`.

    Raises InputError for a video that cannot be copied so.
    """
    try:
        with av.open(str(path)) as first, av.open(str(target), "w") as output:
            copy = output.add_stream_from_template(first.streams.video[0])
            for turn in range(times):
                with av.open(str(path)) as container:
                    _append(container, output, copy, turn)
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(path, f"is too short, and cannot be repeated ({error})", "name a longer file") from error
    return target


def _append(container: InputContainer, output: OutputContainer, copy: VideoStream, turn: int) -> None:
    """Copy the packets, so much later as `turn` clips take.  Raises ValueError where their times are not known."""
    stream = container.streams.video[0]
    # Of pictures that are not stored in their order, AVI knows when to decode them, not when to show them.
    untimed = container.format.name == "avi" and stream.codec_context.has_b_frames
    for packet in container.demux(stream):
        if not packet.size:  # the last one
            continue
        if packet.dts is None or packet.pts is None or not stream.duration or untimed:
            raise ValueError("its pictures have no times")
        packet.pts += turn * stream.duration
        packet.dts += turn * stream.duration
        packet.stream = copy
        output.mux(packet)
