"""Encoding pictures with their own times into a file that is playable however its writing ends."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
from av.codec.codec import UnknownCodecError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import UsageError

# Fine enough for every usual frame rate; MPEG-4 part 2 allows no more than 65535.
TICKS_PER_S = 60_000

# What is lost when the process is killed: an MP4 fragment ends before each key frame.
_KEY_FRAME_EVERY_S = 2.0

# Container and its options by the suffix of the file.
_FRAGMENTED = ("mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"})
_FORMATS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": _FRAGMENTED,
    ".m4v": _FRAGMENTED,
    ".mov": ("mov", _FRAGMENTED[1]),
    ".ts": ("mpegts", {}),
    ".mkv": ("matroska", {}),
}

# FFmpeg's AVCOL_SPC_SMPTE170M: what libswscale makes of RGB.
_BT601 = 6

# A process records one stream, and others run beside it.
_THREADS = 2

# No B-frames: a fragmented MP4 says its first time only if that is 0, and a frame is written at once.
_X264 = {"preset": "veryfast", "crf": "23", "bf": "0", "forced-idr": "1"}
# A fixed quantizer of 4, in FFmpeg's unit of 1/118.
_MPEG4 = {"flags": "+qscale", "global_quality": str(4 * 118)}

FALLBACK_NOTE = "this FFmpeg has no libx264: annotated videos are MPEG-4 part 2, which browsers do not play"


def format_of(path: str | Path) -> tuple[str, dict[str, str]]:
    """Return FFmpeg's format for a file of that name, and the format's options; UsageError for another suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(path, f"unknown kind of video {suffix!r}", f"use one of {', '.join(_FORMATS)}")
    return _FORMATS[suffix]


@cache
def encoder_name() -> str:
    """Return the encoder to use: libx264, or mpeg4 where FFmpeg was built without it."""
    try:
        return av.codec.Codec("libx264", "w").name
    except UnknownCodecError:
        return "mpeg4"


class _File:
    """The file below a container.  FFmpeg never hears of a failure: its muxers crash on some.

    error: what ended the writing; from then on nothing is written.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._raw = open(path, "wb", buffering=0)  # noqa: SIM115  # closed by `close`
        self.seek, self.tell = self._raw.seek, self._raw.tell

    def write(self, data: bytes) -> int:
        """Write all of `data`, or note why not."""
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[self._raw.write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)

    def close(self) -> None:
        with suppress(OSError):  # a disk that is full was reported when it was written to
            self._raw.close()

    def check(self) -> None:
        """Raise what ended the writing."""
        if self.error is not None:
            raise self.error


class VideoWriter(Closing):
    """A file under way.  Raises OSError where it cannot be written; then `close` it.

    A file of that name is overwritten.  width, height: of the pictures, even, in pixels.
    frame_rate: the usual number of pictures a second.
    colours_of: a decoded frame in whose colour space the pictures are.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, *, frame_rate: Fraction, colours_of: av.VideoFrame
    ) -> None:
        name, options = format_of(path)
        self._file = _File(Path(path))
        self._container = av.open(self._file, "w", format=name, options=options)
        encoder = encoder_name()
        encoder_options = _X264 if encoder == "libx264" else _MPEG4
        # The rate is but a hint in the file's header: every picture has its own time.
        stream = cast(VideoStream, self._container.add_stream(encoder, rate=frame_rate, options=encoder_options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        stream.codec_context.thread_count = _THREADS
        is_rgb = colours_of.format.is_rgb
        stream.codec_context.colorspace = _BT601 if is_rgb else colours_of.colorspace
        self._stream = stream
        self._durations: dict[int, int] = {}
        self._next_key_tick = 0
        self._closed = False

    def write(self, picture: av.VideoFrame, tick: int, duration_ticks: int) -> None:
        """Encode a yuv420p picture that is shown from `tick` on; ticks increase strictly."""
        picture.pts, picture.time_base = tick, Fraction(1, TICKS_PER_S)
        is_key = tick >= self._next_key_tick
        picture.pict_type = PictureType.I if is_key else PictureType.NONE
        if is_key:
            self._next_key_tick = tick + round(_KEY_FRAME_EVERY_S * TICKS_PER_S)
        self._durations[tick] = duration_ticks
        self._mux(picture)
        self._file.check()

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0)
            self._container.mux(packet)

    def close(self) -> None:
        """Write what the encoder holds and the end of the file."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as ending:
            ending.callback(self._file.close)
            ending.callback(self._container.close)
            self._mux(None)
        self._file.check()
