"""Sources that FFmpeg demuxes and decodes: files, cameras, streams from the network, pipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.format import Flags
from av.video.stream import VideoStream

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.picture_size import check_size
from pptsn.runtime.stream.sources.base import AnyKind, Captured, OpenSource, SourceUri
from pptsn.runtime.stream.sources.clock import DEFAULT_FPS, FrameClock
from pptsn.runtime.stream.sources.decoders import IN_SOFTWARE, Decoding
from pptsn.runtime.stream.sources.refusals import failure
from pptsn.runtime.video.container import OpenVideo, encrypted, is_encrypted
from pptsn.runtime.video.damage import MARKS_DAMAGE, Beginning, TornPackets
from pptsn.runtime.video.extent import Extent
from pptsn.runtime.video.faults import all_hidden, ends_before_a_frame, frameless, undecodable
from pptsn.runtime.video.formats import options_for_decoders
from pptsn.runtime.video.wholeness.look import Content

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

# Rates beyond these are the time base of a container, not pictures.  Of a file the mean is known: it is believed
# further.
_RATE_RANGE = (0.1, 480.0)
_MEAN_RATE_RANGE = (0.1, 20_000.0)
# Formats of bare pictures; the times that FFmpeg makes up for them know nothing of when they were taken.
_NO_TIMESTAMPS = cast("int", Flags.no_timestamps.value)
# So long a key frame is waited for where a live source is joined between two.
_LONGEST_GROUP_S = 30.0
# So many unreadable stretches in a row mean that nothing will come any more.
_MAX_BAD_READS = 100


class DemuxedSource(OpenSource):
    """An open container, decoded packet by packet past what is damaged.

    kind: of `uri`.  video: is closed with the source.  live: whether it happens now.
    timeout_s: what reading waited for, as far as `av.open` was told; for messages.
    fps: of a source without timestamps, if known.  threads: of the decoder, or one.  decoding: as it was opened.
    on_close: gives back what the container was read from.
    reported: asked at the end; what is said there of the end, rather than by the container.
    """

    def __init__(
        self,
        kind: AnyKind,
        uri: SourceUri,
        video: OpenVideo,
        *,
        live: bool,
        timeout_s: float,
        fps: float | None = None,
        threads: int | None = None,
        decoding: Decoding = IN_SOFTWARE,
        on_close: Callable[[], None] | None = None,
        reported: Callable[[], InputError | None] = lambda: None,
    ) -> None:
        self._kind = kind
        self._uri = uri
        self._video = video
        self._timeout_s = timeout_s
        self._on_close = on_close
        self._reported = reported
        self._frames = 0
        self._opened_s = time.monotonic()
        self._set_threads(threads or 1, live=live)
        self._decoding = decoding
        self._tell(decoding.note_of(video))
        self._tell(video.note)
        self._extent = Extent(video)
        self._beginning = Beginning(video.codec.name, float(video.stream.time_base or 0))
        self._torn_packets = TornPackets()
        self._failure: Exception | None = None
        self.live = live
        self.codec = video.codec.name
        self._untimed = bool(video.container.format.flags & _NO_TIMESTAMPS)
        self.frame_rate = (self._untimed and fps) or _stated_rate(video.stream, live=live)
        self.coded_rate = _rate_in_range(video.stream.codec_context.framerate)
        self.duration_s = None if live else video.duration_s
        self.pixel_aspect = float(video.stream.sample_aspect_ratio or 1) or 1.0
        rate = fps or self.frame_rate or DEFAULT_FPS
        self._clock = FrameClock(None if live else rate, step_s=1 / rate)

    @property
    def awaits_key(self) -> bool:
        """Whether packets came, none of them a key frame; of a live source, and not for ever."""
        waits = self.live and not self._frames and not self._extent.has_keys
        return waits and time.monotonic() - self._opened_s < _LONGEST_GROUP_S

    def frames(self) -> Iterator[Captured]:
        """Yield the frames in the decoder's order; raises InputError where the source fails or has no frame."""
        trouble: InputError | None = None
        arrived_s = time.monotonic()
        try:
            for packet in self._packets():
                arrived_s = time.monotonic()
                yield from self._decoded(packet, arrived_s)
        except InputError as error:  # what the decoder still holds comes first
            trouble = error
        yield from self._decoded(None, arrived_s)
        shortfall = "" if self.live else self._extent.shortfall()
        self._tell(f"the file ends early: {shortfall}" if shortfall else "")
        self._tell(self._hidden if self._frames else "")
        self._tell("" if self.live else self._extent.joined())
        self._tell("" if self.live else self._extent.broken())
        if trouble is None and not self._frames:
            trouble = self._frameless()
        trouble = self._reported() or trouble
        if trouble is not None:
            raise trouble

    def close(self) -> None:
        """Close the container; a second call does nothing."""
        self._video.close()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    def _set_threads(self, threads: int, *, live: bool) -> None:
        # A decoder that works on several frames at once hands each out later: not wanted of what happens now.
        several = "SLICE" if live else "AUTO"
        self._video.stream.thread_type = "NONE" if threads == 1 else several
        self._video.codec.thread_count = threads

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets with data; goes on past stretches that cannot be read."""
        bad_reads = 0
        streams = () if not self.live and self._extent.needs_others else (self._video.stream,)
        while bad_reads < _MAX_BAD_READS:
            asked_s = time.monotonic()
            try:
                for packet in self._video.container.demux(*streams):
                    self._check_wait(asked_s)
                    if packet.size and packet.stream_index != self._video.stream.index:
                        self._extent.add_other(packet)
                    elif packet.size:  # one without tells the decoder that all is over
                        bad_reads = 0
                        if is_encrypted(packet):
                            raise encrypted(self._uri.display)
                        self._extent.add(packet)
                        self._count_torn(cast("Packet[VideoStream]", packet))
                        yield cast("Packet[VideoStream]", packet)
                    asked_s = time.monotonic()
                return
            except (EOFError, IndexError):  # IndexError: see `pptsn.runtime.video.index.video_packets`
                return
            except av.error.InvalidDataError:
                bad_reads += 1
                self.decode_errors += 1
            except (av.error.FFmpegError, OSError) as error:
                raise failure(self._kind, self._uri, error, timeout_s=self._timeout_s) from None
        if self.live:
            raise InputError(self._uri.display, "sends nothing but damaged data", "check the source")

    def _count_torn(self, packet: Packet[VideoStream]) -> None:
        """Count a packet that lacks a part as one that is lost, where the decoder does not mark its picture."""
        is_torn = self._torn_packets.add(packet)
        self.decode_errors += is_torn and self._frames > 0 and self.codec not in MARKS_DAMAGE

    def _check_wait(self, asked_s: float) -> None:
        """Raise InputError where a wait for data took too long.

        FFmpeg may answer an interrupted wait with the picture that it had begun, and wait as long once more.
        """
        if self.live and time.monotonic() - asked_s >= self._timeout_s:
            raise failure(self._kind, self._uri, TimeoutError(), timeout_s=self._timeout_s)

    def _decoded(self, packet: Packet[VideoStream] | None, arrived_s: float) -> Iterator[Captured]:
        self._beginning.send(packet)
        try:
            frames = self._video.codec.decode(packet)
        except (av.error.FFmpegError, OSError) as error:
            self.decode_errors += 1
            self._failure = error
            return
        for frame in frames:
            self._frames += 1
            if self._frames == 1 and not self.notes:
                self._tell(self._decoding.note_of_frame(frame))
            is_whole = self._beginning.is_whole(frame, lost=self.decode_errors)
            if self._frames == 1:
                self._tell(self._beginning.told())
            time_s = self._clock.time_s(self._stated_s(frame), arrived_s)
            yield Captured(frame, time_s, arrived_s, damaged=not is_whole)

    def _tell(self, note: str) -> None:
        self.notes += (note,) if note else ()

    def _stated_s(self, frame: av.VideoFrame) -> float | None:
        # The stream's: a frame that the decoder still held at the end has lost its own.
        time_base = self._video.stream.time_base
        if frame.pts is None or time_base is None or self._untimed:
            return None
        return float(frame.pts * time_base)

    @property
    def _hidden(self) -> str:
        return "" if self.live else self._extent.hidden()

    def _frameless(self) -> InputError:
        file = self._kind.file_of(self._uri)
        shortfall = "" if self.live else self._extent.shortfall()
        lost = max(self.decode_errors, self._beginning.sent)
        if file is not None:
            return frameless(
                file,
                lost=lost,
                failure=self._failure,
                shortfall=shortfall,
                hidden=self._hidden,
                has_keys=self._extent.has_keys,
            )
        if shortfall:
            return InputError(self._uri.display, *ends_before_a_frame(shortfall))
        if self._hidden and not lost:
            return InputError(self._uri.display, *all_hidden(self._hidden))
        if lost:
            return InputError(self._uri.display, *undecodable(lost, has_keys=self._extent.has_keys))
        cause = "ended without a frame" if self.live else "holds no frame"
        return InputError(self._uri.display, cause, "check that it is a whole video")


def video_in(uri: SourceUri, container: InputContainer, content: Content | None = None) -> OpenVideo:
    """Return the video of an open container that is no file.

    content: its bytes, where they are at hand.
    Closes the container and raises InputError where there is none.
    """
    try:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise InputError(uri.display, "has no video stream", "choose one with pictures, not sound alone")
        if stream.codec_context is None:
            raise InputError(uri.display, "is in a video codec that this FFmpeg does not know", "send H.264")
        check_size(uri.display, stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.options = options_for_decoders()
    except BaseException:
        container.close()
        raise
    return OpenVideo(container, stream, content=content)


def _stated_rate(stream: VideoStream, *, live: bool) -> float | None:
    mean = _rate_in_range(stream.average_rate, _RATE_RANGE if live else _MEAN_RATE_RANGE)
    return mean or _rate_in_range(stream.codec_context.framerate) or _rate_in_range(stream.guessed_rate)


def _rate_in_range(rate: Fraction | None, within: tuple[float, float] = _RATE_RANGE) -> float | None:
    low, high = within
    return float(rate) if rate and low <= rate <= high else None
