"""Decoding the frames that are wanted and as little else as possible, by seeking to key frames.

Everything that comes out is checked against the index.  The first surprise ends the attempt: the caller then
decodes the file from its beginning, which is always right.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import av.error

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.stages import DECODE, DEMUX, stage
from pptsn.runtime.video.container import OpenVideo, open_container
from pptsn.runtime.video.damage import goes_on_without_key
from pptsn.runtime.video.faults import check_stop
from pptsn.runtime.video.frame import Transform, VideoFrame
from pptsn.runtime.video.index import FrameIndex, video_packets
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.video.unseen import UnseenPackets

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pptsn.runtime.video.web.content import Media

# Codecs whose decoders, told to leave out frames that no other frame refers to, leave the others' pixels alone.
_SKIPS_NONREF = frozenset({"h264", "hevc", "mpeg4", "mpeg2video"})
_MOST_WORKERS = 4
# Below this many pixels to decode, a second decoder costs more than it saves.
_PARALLEL_PIXELS = 30_000_000


class IndexSurpriseError(Exception):
    """The file does not hold what its index promises."""


@dataclass(frozen=True)
class Run:
    """Frames that are decoded together, from one key frame on.

    start, last: positions of the first and last packet that the decoder gets.
    wanted: frame number of each wanted packet, by its position.
    """

    start: int
    last: int
    wanted: dict[int, int]


@dataclass
class Effort:
    """How much was decoded, for tests and benchmarks.

    packets: handed to decoders, of which frames: came out of them.  runs: begun at a key frame.
    """

    packets: int = 0
    frames: int = 0
    runs: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, packets: int, frames: int) -> None:
        """Add the figures of a run."""
        with self._lock:
            self.packets += packets
            self.frames += frames
            self.runs += 1


def plan_runs(index: FrameIndex, frames: Iterable[int]) -> list[Run]:
    """Return the runs that yield `frames`, in file order.

    A frame joins the run before it where that run passes its key frame anyway.
    """
    runs: list[Run] = []
    for position, frame in sorted((int(index.presented[frame]), frame) for frame in set(frames)):
        key = index.key_before(position)
        if key is None:
            raise IndexSurpriseError(f"frame {frame} has no key frame")
        run = Run(key, position, {position: frame})
        # A frame shown before the key frame that it follows in the file needs an earlier one, and may so tie
        # several runs together.
        while runs and run.start <= runs[-1].last:
            before = runs.pop()
            run = Run(min(before.start, run.start), position, before.wanted | run.wanted)
        runs.append(run)
    return runs


class RunDecoder:
    """A decoder that goes from run to run.  Used by one thread at a time.

    surprised: set once the other runs' results are not used any more.  stop: set where the caller wants none.
    """

    def __init__(
        self,
        video: OpenVideo,
        index: FrameIndex,
        pictures: PictureMaker,
        *,
        effort: Effort,
        surprised: threading.Event,
        stop: threading.Event | None = None,
    ) -> None:
        self._video = video
        self._index = index
        self._pictures = pictures
        self._effort = effort
        self._surprised = surprised
        self._stop = stop
        self._size = (video.codec.width, video.codec.height)
        self._depth = getattr(video.codec, "reorder_depth", None)
        self._skips = video.codec.name in _SKIPS_NONREF
        self._goes_on = goes_on_without_key(video.codec.name)
        self._unseen = UnseenPackets(video, index) if index.of_table else None
        self._fresh = True

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._video.close()

    def decode(self, run: Run) -> Iterator[VideoFrame]:
        """Yield the wanted frames of `run`; raises IndexSurpriseError at the first doubt."""
        try:
            yield from self._decode(run)
        except (av.error.FFmpegError, OSError) as error:
            raise IndexSurpriseError(f"decoding failed: {error}") from error

    def _decode(self, run: Run) -> Iterator[VideoFrame]:
        made = 0
        begin = int(self._index.pts[run.start])
        latest: int | None = None
        for frame in self._decoded(run):
            if latest is None and frame.pts is not None and frame.pts < begin:
                continue  # shown before the key frame, and incomplete without the one before it
            if latest is None and self._goes_on and not frame.key_frame:
                raise IndexSurpriseError(f"the frame at {frame.pts} is no key frame")
            position = self._checked(frame)
            rank = int(self._index.ranks[position])
            self._check_order(rank, latest)
            latest = rank
            self._pictures.saw(frame)
            if position in run.wanted:
                made += 1
                yield self._pictures.make(frame, run.wanted[position])
        if made != len(run.wanted):
            raise IndexSurpriseError(f"{len(run.wanted) - made} frames did not come out")

    def _checked(self, frame: av.VideoFrame) -> int:
        """Return the position of the packet that `frame` comes from, having found nothing odd about it."""
        position = self._index.position_of(frame.pts)
        if position is None or self._index.ranks[position] < 0:
            raise IndexSurpriseError(f"a frame at {frame.pts} was not to be shown")
        if frame.is_corrupt or (frame.width, frame.height) != self._size:
            raise IndexSurpriseError(f"the frame at {frame.pts} is damaged or of another size")
        return position

    def _check_order(self, rank: int, latest: int | None) -> None:
        """Raise where frame number `rank` does not follow number `latest`: None for none yet."""
        if latest is None:
            return
        # Where frames are left out on purpose, others cannot be missed.
        follows = rank > latest if self._skips else rank == latest + 1
        if not follows:
            raise IndexSurpriseError(f"frame {rank} came out after frame {latest}")

    def _decoded(self, run: Run) -> Iterator[av.VideoFrame]:
        """Yield what the decoder makes of the packets of `run`."""
        codec = self._video.codec
        out = 0
        if self._unseen is not None:
            self._unseen.fetch(run.start, run.last)
        for position, packet in enumerate(self._packets(run.start), start=run.start):
            check_stop(self._stop)  # first, as a run that is stopped is a surprise to the others
            if self._surprised.is_set():
                raise IndexSurpriseError("another run met a surprise")
            self._check_packet(packet, position, starts=position == run.start)
            full = not self._skips or position in run.wanted or position == run.start
            codec.skip_frame = "DEFAULT" if full else "NONREF"
            with stage(DECODE):
                frames = codec.decode(packet)
            out += len(frames)
            yield from frames
            if position == run.last:
                break
        with stage(DECODE):
            frames = codec.decode(None)
        self._effort.add(packets=run.last - run.start + 1, frames=out + len(frames))
        yield from frames

    def _check_packet(self, packet: Packet[VideoStream], position: int, *, starts: bool) -> None:
        index = self._index
        if position >= len(index.pts) or (packet.pts, packet.size) != (index.pts[position], index.sizes[position]):
            raise IndexSurpriseError(f"packet {position} is not the one that was indexed")
        if self._unseen is not None and not self._unseen.is_as_told(packet, starts=starts and position > 0):
            raise IndexSurpriseError(f"packet {position} is not what the table says")

    def _packets(self, start: int) -> Iterator[Packet[VideoStream]]:
        """Yield the packets from position `start` on."""
        if start or not self._fresh:
            with stage(DEMUX):
                self._video.container.seek(self._index.seek_times[start], stream=self._video.stream)
            self._video.codec.flush_buffers()
            if self._depth is not None:
                self._video.codec.reorder_depth = self._depth  # a flush may make the decoder forget it
        self._fresh = False
        packets = video_packets(self._video)
        yield self._first_of(packets, start)
        yield from packets

    def _first_of(self, packets: Iterator[Packet[VideoStream]], start: int) -> Packet[VideoStream]:
        """Return the packet at position `start`, past others that a seek may land on before it."""
        for packet in packets:
            position = self._index.position_of(packet.pts)
            if position == start:
                return packet
            if position is None or position > start:
                break
        raise IndexSurpriseError(f"the seek to packet {start} went elsewhere")


class Crew:
    """Decoders of one file that take the runs of one request in turn, each used by one thread at a time."""

    def __init__(
        self,
        path: Media,
        index: FrameIndex,
        *,
        transform: Transform | None,
        effort: Effort,
        stop: threading.Event | None,
    ) -> None:
        self._path = path
        self._index = index
        self._transform = transform
        self._effort = effort
        self._stop = stop
        self._surprised = threading.Event()
        self._idle: SimpleQueue[RunDecoder] = SimpleQueue()

    def decode(self, runs: Sequence[Run], *, workers: int) -> Iterator[VideoFrame]:
        """Yield the frames of each run in turn; raises IndexSurpriseError at the first doubt about any.

        One worker is the caller's own thread, and each frame comes as soon as it is decoded; of several, a run's
        frames come together.
        """
        if workers == 1:
            for run in runs:
                yield from self._one(run)
            return
        pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        try:
            for made in pool.map(self._all_of, runs):
                yield from made
        finally:
            self._surprised.set()  # an interrupted caller does not wait for frames that it will not get
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Close all decoders."""
        while not self._idle.empty():
            self._idle.get().close()

    def _all_of(self, run: Run) -> list[VideoFrame]:
        return list(self._one(run))

    def _one(self, run: Run) -> Iterator[VideoFrame]:
        decoder = self._hire()
        try:
            yield from decoder.decode(run)
        except BaseException:
            self._surprised.set()  # the result of the other runs will not be used
            raise
        finally:
            self._idle.put(decoder)

    def _hire(self) -> RunDecoder:
        try:
            return self._idle.get_nowait()
        except Empty:
            with stage(DEMUX):
                video = open_container(self._path)
            pictures = PictureMaker(str(self._path), video.stream.time_base, self._transform)
            return RunDecoder(
                video, self._index, pictures, effort=self._effort, surprised=self._surprised, stop=self._stop
            )


def read_by_seeking(
    path: Media,
    index: FrameIndex,
    frames: Collection[int],
    *,
    area: int,
    transform: Transform | None = None,
    effort: Effort,
    stop: threading.Event | None = None,
) -> Iterator[VideoFrame]:
    """Yield the frames at the indices `frames`, each once; raises IndexSurpriseError where the index is wrong.

    area: pixels of a picture.  stop: ends the decode with a StoppedError once it is set.
    Runs are independent of each other, so that several are decoded at once, each by one thread: what comes out
    of a decoder then depends on nothing but its packets.
    """
    runs = plan_runs(index, frames)
    crew = Crew(path, index, transform=transform, effort=effort, stop=stop)
    try:
        yield from crew.decode(runs, workers=_worker_count(runs, area))
    finally:
        crew.close()


def _worker_count(runs: Sequence[Run], area: int) -> int:
    if area * sum(run.last - run.start + 1 for run in runs) < _PARALLEL_PIXELS:
        return 1
    return max(1, min(len(runs), available_cores(), _MOST_WORKERS))
