"""Sampled, resized frames of one source after another, ready to be cropped."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.stages import FOR_ROOM, RESIZE, report_wait, stage
from pptsn.runtime.decoding.given import Frames, Pictures
from pptsn.runtime.decoding.given_reader import FramesReader
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.frames.sampling import sampling_rule
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.video import Restart, VideoFrame, WebFile, open_video
from pptsn.runtime.video.damage import require_sound
from pptsn.runtime.video.web.address import is_web, web_source
from pptsn.runtime.video.web.served import Served

if TYPE_CHECKING:
    from pptsn.runtime.video import ImageFolderReader, VideoReader


@dataclass(frozen=True)
class ClipFrame:
    """A frame to classify: pixels (H, W, 3) uint8 RGB, resized; weight: how often the sampling rule chose it.

    ready_s: when the pixels were ready, by `time.perf_counter`.
    index: its number in the source.  time_s: when it is shown, on the source's own clock; None where it has none.
    segment: the first of the clip's segments that it stands for, from 0; the next `weight` - 1 are its own, too.
    """

    clip: int
    pixels: Frame
    weight: int
    ready_s: float
    index: int = 0
    time_s: float | None = None
    segment: int = 0


@dataclass(frozen=True)
class ClipRestart:
    """The frames of this clip so far do not count: its file proved other than it said, and they come anew."""

    clip: int


@dataclass(frozen=True)
class ClipEnd:
    """All frames of a clip have come, or it failed: then `error` says why and the other fields mean nothing.

    served: by what a web server's file is known again; None for others, and where the server does not say.
    """

    clip: int
    source: str
    started_s: float
    decode_ms: float
    frames: int = 0
    duration_s: float | None = None
    lost_frames: int = 0
    warnings: tuple[str, ...] = ()
    served: Served | None = None
    error: InputError | None = None


@dataclass(frozen=True)
class Excerpt:
    """The first `frames` frames of a source, as lists of extracted frames state them."""

    path: Path
    frames: int


@dataclass(frozen=True)
class Labelled:
    """A clip whose class is known, so that its answer says whether it is right.

    source: what `Recognizer.classify_many` takes: a path, frames, ...  label: the number of its class, from 0.
    """

    source: Given
    label: int


# What stands for one clip: a path, a file of a web server, the beginning of one, frames, or why there is none.
Source: TypeAlias = "str | Path | WebFile | Excerpt | Frames | InputError"
# What a program may give for one.
Given: TypeAlias = "Source | Labelled | os.PathLike[str] | Pictures"


# What comes of clips while they are decoded.
ClipItem: TypeAlias = "ClipFrame | ClipRestart | ClipEnd"


def clip_items(
    sources: Iterable[Source],
    spec: ModelSpec,
    *,
    segments: int,
    rule: str,
    stop: threading.Event | None = None,
) -> Iterator[ClipItem]:
    """Yield the frames of each source as they are decoded, then its ClipEnd; clips are numbered from 0.

    A frame that the rule chooses several times (all of them, in a clip shorter than its segments) comes once,
    with that weight.  After a ClipRestart all frames of its clip come anew.  A source that cannot be read gives a
    ClipEnd with the error, after some of its frames perhaps, and the others go on.
    Once another thread sets `stop`, the source that is being decoded ends as one that cannot be read.
    """
    for clip, source in enumerate(sources):
        yield from frames_of(clip, source, spec, segments=segments, rule=rule, stop=stop)


def frames_of(
    clip: int,
    source: Source,
    spec: ModelSpec,
    *,
    segments: int,
    rule: str,
    accept_damaged: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[ClipItem]:
    """Yield the frames of one source, number `clip`, then its ClipEnd; see `clip_items`.

    accept_damaged: do not take a source for one that cannot be read because nearly all its pictures are damaged.
    """
    if isinstance(source, InputError):
        yield from _hand_over(ClipEnd(clip, source.thing, time.perf_counter(), 0.0, error=source))
        return
    path, stated = (source.path, source.frames) if isinstance(source, Excerpt) else (source, None)
    yield from _read(
        clip, path, spec, stated=stated, segments=segments, rule=rule, accept_damaged=accept_damaged, stop=stop
    )


def clip_frames(
    sources: Iterable[Source], spec: ModelSpec, *, segments: int, rule: str
) -> Iterator[ClipFrame | ClipEnd]:
    """Yield what `clip_items` does, a clip at a time: all of its frames, or none where it fails, and its end."""
    frames: list[ClipFrame] = []
    for item in clip_items(sources, spec, segments=segments, rule=rule):
        if isinstance(item, ClipFrame):
            frames.append(item)
            continue
        if isinstance(item, ClipEnd):
            if item.error is None:
                yield from frames
            yield item
        frames = []


def as_source(given: Given, *, name: str = "clip") -> Source:
    """Return what stands for a clip that a program gives: what is no path and no URL is frames, called `name`.

    A label, of what is Labelled, is left out.
    """
    if isinstance(given, Labelled):
        return as_source(given.source, name=name)
    if isinstance(given, (Path, WebFile, Excerpt, Frames, InputError)):
        return given
    if isinstance(given, str):
        text = str(given)  # NumPy's texts are some too
        return web_source(text) if is_web(text) else text
    return Path(os.fsdecode(given)) if isinstance(given, os.PathLike) else Frames(given, name=name)


def name_of(source: Source) -> str:
    """Return what a source is called in results and errors."""
    if isinstance(source, InputError):
        return source.thing
    return str(source.path if isinstance(source, Excerpt) else source)


def usable_frames(path: str | Path, available: int, stated: int | None) -> int:
    """Return the number of frames to sample from: what a list states, or else all that are there.

    Raises InputError where the list states more than there are.
    """
    if stated is not None and stated > available:
        cause = f"has {available} frames, the list says {stated}"
        raise InputError(path, cause, "correct the list or the folder")
    return available if stated is None else stated


def _read(
    clip: int,
    source: str | Path | WebFile | Frames,
    spec: ModelSpec,
    *,
    stated: int | None,
    segments: int,
    rule: str,
    accept_damaged: bool,
    stop: threading.Event | None,
) -> Iterator[ClipItem]:
    choose = sampling_rule(rule)
    clock = _Stopwatch()

    def resize(pixels: Frame) -> Frame:
        with stage(RESIZE):
            return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    try:
        with _opened(source, stop) as video:
            chosen: list[int] = []

            def distinct(frames: int) -> list[int]:
                chosen[:] = sorted(choose(usable_frames(str(source), frames, stated), segments))
                return sorted(set(chosen))

            for frame in video.sampled(distinct, transform=resize, stop=stop):
                clock.pause()
                if isinstance(frame, Restart):
                    yield from _hand_over(ClipRestart(clip))
                else:
                    yield from _hand_over(_clip_frame(clip, frame, chosen))
                clock.resume()
            if not accept_damaged:
                require_sound(str(source), video.damage)
            yield from _hand_over(
                ClipEnd(
                    clip,
                    str(source),
                    clock.started_s,
                    clock.elapsed_ms(),
                    frames=video.frame_count(),
                    duration_s=video.duration_s(),
                    lost_frames=video.lost_frames,
                    warnings=tuple(video.warnings),
                    served=getattr(video, "served", None),
                )
            )
    except InputError as error:
        if error.thing != str(source):
            error = _of_source(error, source)
        yield from _hand_over(ClipEnd(clip, str(source), clock.started_s, clock.elapsed_ms(), error=error))


def _of_source(error: InputError, source: Source) -> InputError:
    """Return `error` as that of `source`, which it does not name as the user did."""
    if error.thing == str(Path(str(source))):  # `./a.mp4` is opened as `a.mp4`
        return InputError(source, error.cause, error.remedy)
    return InputError(source, str(error))  # a frame's own error does not know whose frame it was


def _opened(
    source: str | Path | WebFile | Frames, stop: threading.Event | None
) -> VideoReader | ImageFolderReader | FramesReader:
    return FramesReader(source) if isinstance(source, Frames) else open_video(source, stop=stop)


def _clip_frame(clip: int, frame: VideoFrame, chosen: list[int]) -> ClipFrame:
    """Return `frame` as one of `clip`.  chosen: the frames of the clip's segments, in their order."""
    first = bisect_left(chosen, frame.index)
    weight = bisect_right(chosen, frame.index) - first
    return ClipFrame(clip, frame.pixels, weight, frame.ready_s, frame.index, frame.pts_s, first)


def _hand_over(item: ClipItem) -> Iterator[ClipItem]:
    """Yield `item`, and report how long it took until the next one was asked for."""
    handed_s = time.perf_counter()
    yield item
    report_wait(FOR_ROOM, time.perf_counter() - handed_s)


class _Stopwatch:
    """Measures the time between its making and now, less the pauses."""

    def __init__(self) -> None:
        self.started_s = self._resumed_s = time.perf_counter()
        self._elapsed_s = 0.0

    def pause(self) -> None:
        self._elapsed_s += time.perf_counter() - self._resumed_s

    def resume(self) -> None:
        self._resumed_s = time.perf_counter()

    def elapsed_ms(self) -> float:
        return 1000 * (self._elapsed_s + time.perf_counter() - self._resumed_s)
