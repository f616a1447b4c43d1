"""Opening a video file: the one place where FFmpeg's refusals become errors that a user understands."""

from __future__ import annotations

import gc
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import av
import av.error
from av.video.stream import VideoStream

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.pulse import READ_TIMEOUT_S, STALLED_REMEDY
from pptsn.runtime.frames.picture_size import check_size, picture_size
from pptsn.runtime.video.faults import ENCRYPTED
from pptsn.runtime.video.formats import NO_PROTOCOL, options_for_decoders, options_for_files, what_it_is
from pptsn.runtime.video.wholeness.look import (
    MP4,
    UNFINISHED,
    Content,
    is_cut_off,
    is_cut_off_early,
    lacks_its_index,
    opened,
)
from pptsn.runtime.video.wholeness.tail import beginning, tail_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext

    from pptsn.runtime.video.web.content import Cursor, Media

_HEAD_BYTES = 1 << 20
_MICROSECONDS = 1_000_000
_STANDARD_INPUT = Path("-")
_PIPED = "pipe it into `pptsn stream -`, or copy it to a file first"
_OTHER_FILE = "check that it is a whole video file"
# What PyAV raises for a file that FFmpeg does not open.
_REFUSALS = (av.error.FFmpegError, OSError, ValueError)
# FFmpeg's name for a key that a Matroska file states.
_MATROSKA_KEY = "enc_key_id"
_PICTURE_TRACK = "its default video track is one picture; the track with moving pictures is used"
# H.264's parser would unmake the key frames of pictures that it does not see.
_UNPARSED = {"fflags": "noparse"}
_PYAV = int(av.__version__.split(".")[0])
# From this many pixels a picture on, decoders that PyAV leaves behind are looked for at once.
_LARGE_AREA = 1_000_000


@dataclass(frozen=True)
class OpenVideo:
    """An open file and its video stream.

    note: why the stream is not the one that the file offers first; "" where it is.
    content: its bytes, for who wants to know whether it is whole; None where they are not at hand.
    skimmed: where it is read in a web file, if that is for no more than where its frames lie.
    """

    container: InputContainer
    stream: VideoStream
    note: str = ""
    content: Content | None = None
    skimmed: Cursor | None = None

    @property
    def codec(self) -> VideoCodecContext:
        """The decoder's context."""
        return self.stream.codec_context

    @property
    def area(self) -> int:
        """Pixels of a picture, as the header has it."""
        return self.codec.width * self.codec.height

    @property
    def duration_s(self) -> float | None:
        """The length in seconds that the file states, or None."""
        stream, container = self.stream, self.container
        if stream.duration and stream.time_base and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        if container.duration and container.duration > 0:
            return container.duration / _MICROSECONDS
        return None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self.container.close()


def check_file(path: Path) -> None:
    """Raise InputError where `path` is no readable, non-empty file."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size:
            # FFmpeg would say no more than "operation not permitted".
            with open(path, "rb"):
                return
    except FileNotFoundError:
        if path == _STANDARD_INPUT:
            raise InputError(path, "stands for standard input, expected a file", _PIPED) from None
        raise InputError(path, *_missing(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = _reason(error)
        raise InputError(path, f"cannot be read ({reason})", "check the path and its permissions") from error
    if stat.S_ISREG(status.st_mode):
        raise InputError(path, "is empty (0 bytes)", "copy or download it again")
    raise InputError(path, *_not_a_file(status.st_mode))


def _missing(path: Path) -> tuple[str, str]:
    """Return that there is nothing at `path`, or where a link there leads in vain; and the remedy."""
    if path.is_symlink():
        return f"is a link to {path.readlink()}, where there is no file", "mend the link, or remove it"
    return "there is no such file", "check the path"


def _not_a_file(mode: int) -> tuple[str, str]:
    """Return what is neither a file nor a folder, and could be read from for ever; and the remedy."""
    if stat.S_ISFIFO(mode):
        return (
            "is a pipe, neither a file nor a folder",
            _PIPED,
        )
    if stat.S_ISCHR(mode):
        return "is a device, neither a file nor a folder", "give a camera to `pptsn stream`"
    return "is neither a file nor a folder", "name a video file or a folder of pictures"


def open_container(path: Media, *, hwaccel: Any = None, skim: bool = False) -> OpenVideo:
    """Open `path`, to be decoded by one thread, or by the device of `hwaccel`, which is PyAV's.

    skim: it is not to be decoded; packets of a web file that has its table here may be read as zeros.
    Raises InputError where there is no video in it, none that this FFmpeg can decode, or where it is in a format
    that opens other files (see `pptsn.runtime.video.formats`).
    """
    if isinstance(path, Path):
        check_file(path)
    skim = skim and not isinstance(path, Path) and path.has_table
    without_tail = _without_tail(path)
    source = _source_of(path) if without_tail is None else without_tail()
    container = _opened(path, source, hwaccel, _UNPARSED if skim else {})
    try:
        stream, note = _stream_unless_unfinished(path, container)
        _check_pictures(path, stream)
        stream.codec_context.options = options_for_decoders()
        # Threads of FFmpeg's own make what comes out of a damaged file a matter of chance, and do not always tell
        # that it is damaged (figures: docs/log.md), so that a second look by one thread cannot mend it.  PyAV asks
        # for as many as there are cores, which some decoders heed in any mode.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
    except BaseException:
        container.close()
        raise
    skimmed = cast("Cursor", source) if skim else None
    return OpenVideo(container, stream, note, without_tail or path, skimmed)


def _without_tail(path: Media) -> Callable[[], BinaryIO] | None:
    """Return what opens a file without what stands behind its end, as a tag; None where nothing does."""
    if not isinstance(path, Path):
        return None
    end = tail_of(path)
    return None if end is None else partial(beginning, path, end)


def _source_of(path: Media) -> Path | Cursor:
    """Return what FFmpeg reads: an absolute path, which is never taken for a URL, as `12:30.mp4` would be."""
    return path.absolute() if isinstance(path, Path) else path.cursor()


def _opened(
    path: Media,
    source: Path | BinaryIO | Cursor,
    hwaccel: Any = None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> InputContainer:
    try:
        return _tried(source, hwaccel, options)
    except _REFUSALS as error:
        refusal = error
    if is_cut_off(path, MP4):
        # FFmpeg looks at all fragments before it gives out one, and will have none of a file whose last one is
        # cut; unless it cannot seek.
        with suppress(*_REFUSALS):
            return _tried(_source_of(path), hwaccel, {"seekable": "0"})
    raise InputError(path, *_refusal(path, refusal)) from refusal


def _tried(source: Path | BinaryIO | Cursor, hwaccel: Any, options: Mapping[str, str]) -> InputContainer:
    formats = options_for_files() if isinstance(source, Path) else options_for_files(NO_PROTOCOL)
    container: InputContainer = av.open(
        source,
        options=formats | dict(options),
        timeout=(READ_TIMEOUT_S, READ_TIMEOUT_S),
        hwaccel=hwaccel,
        **open_options(),
    )
    return container


def _check_pictures(path: Media, stream: VideoStream) -> None:
    """Raise InputError where the pictures are larger than may be, as the header has it."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width:  # a decoder that refused the first picture, which may be all that there is
        with opened(path) as file:
            width, height = picture_size(file.read(_HEAD_BYTES)) or (0, 0)
    check_size(path, width, height)


def free_closed(area: int) -> None:
    """Free the decoders of files that were closed and dropped; area: pixels of a picture.

    PyAV before version 18 leaves a container that was demuxed in a circle of objects, so that a decoder's
    pictures, 20 MB and more at 1080p, would stay until Python comes to look for such circles.
    """
    if _PYAV < 18 and area >= _LARGE_AREA:
        gc.collect()


def open_options() -> dict[str, Any]:
    """Return what makes PyAV take metadata that are no UTF-8; from version 19 on it always does."""
    return {"metadata_errors": "ignore"} if _PYAV < 19 else {}


def _refusal(path: Media, error: Exception) -> tuple[str, str]:
    """Return why FFmpeg did not open a file, and the remedy."""
    if isinstance(error, av.error.ExitError):
        return f"took more than {READ_TIMEOUT_S:g} s to open", STALLED_REMEDY
    sent = "" if isinstance(path, Path) else path.text_in_its_place()
    known = unfinished(path) or what_it_is(path, sent=sent)
    if known is not None:
        return known
    if isinstance(error, av.error.ArgumentError):  # so FFmpeg says that a format is not among those allowed
        cause = "is not a video that can be opened, or in a format that opens other files"
        return cause, f"{_OTHER_FILE}, and that its name is no pattern (%03d)"
    return f"is not a video that can be opened ({_reason(error)})", _OTHER_FILE


def unfinished(content: Content) -> tuple[str, str] | None:
    """Return what is wrong with a file that ends before what is needed to show it, and the remedy; or None."""
    if lacks_its_index(content):
        return UNFINISHED
    if is_cut_off_early(content):
        return "ends early, before anything that can be shown", "get the whole file"
    return None


def _stream_unless_unfinished(path: Media, container: InputContainer) -> tuple[VideoStream, str]:
    """Return what `_video_stream` does; raise its error where a part that the file lacks is not to blame."""
    try:
        return _video_stream(path, container)
    except InputError:
        known = unfinished(path)
        if known is None:
            raise
    raise InputError(path, *known)


def _video_stream(path: Media, container: InputContainer) -> tuple[VideoStream, str]:
    """Return the stream with the moving pictures, and what a user should know of the choice, or ""."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise InputError(path, "has no video stream", "choose a file with pictures, not sound alone")
    note = ""
    moving = _moving_beside(path, container, stream)
    if moving is not None:
        stream, note = moving, _PICTURE_TRACK
    elif _is_cover_picture(stream):
        raise InputError(path, "has a cover picture and no video stream", "choose a file with moving pictures")
    if stream.codec_context is None:
        raise InputError(path, "is in a video codec that this FFmpeg does not know", "convert it to H.264")
    if any(key.casefold() == _MATROSKA_KEY for key in stream.metadata):
        raise encrypted(path)
    return stream, note


def encrypted(thing: object) -> InputError:
    """Return the error for a video whose packets are encrypted."""
    return InputError(thing, *ENCRYPTED)


def is_encrypted(packet: Packet[Any]) -> bool:
    """Return whether `packet` comes with what is needed to decrypt it."""
    # PyAV before 16 does not tell; decoding then fails.
    return hasattr(packet, "has_sidedata") and packet.has_sidedata("encryption_info")


def _moving_beside(path: Media, container: InputContainer, stream: VideoStream) -> VideoStream | None:
    """Return the largest video stream of several pictures where `stream` is one picture; otherwise None."""
    others = [
        other
        for other in container.streams.video
        if other.index != stream.index and other.codec_context is not None and not _is_cover_picture(other)
    ]
    if not others or not (_is_cover_picture(stream) or _is_one_picture(path, stream)):
        return None
    others.sort(key=lambda other: -other.codec_context.width * other.codec_context.height)
    return next((other for other in others if not _is_one_picture(path, other)), None)


def _is_one_picture(path: Media, stream: VideoStream) -> bool:
    if stream.frames:
        return stream.frames == 1
    # A second look at the file, as the first one is to begin at its beginning.
    with _opened(path, _source_of(path)) as probe:
        packets = (packet for packet in probe.demux(probe.streams[stream.index]) if packet.size)
        try:
            return sum(1 for _ in zip(packets, range(2), strict=False)) < 2
        except (av.error.FFmpegError, OSError):
            return True


def _is_cover_picture(stream: object) -> bool:
    disposition = getattr(stream, "disposition", None)
    return disposition is not None and bool(disposition & type(disposition).attached_pic)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.lower()
