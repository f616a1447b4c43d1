"""Where the frames of a file lie, learnt by demuxing it once without decoding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import av.error
import numpy as np
import numpy.typing as npt
from av.format import Flags

from pptsn.runtime.base.pulse import READ_TIMEOUT_S
from pptsn.runtime.base.stages import DEMUX, stage, timed
from pptsn.runtime.video.bitstream import PacketInspector
from pptsn.runtime.video.clock import Clock, examine
from pptsn.runtime.video.container import OpenVideo, is_encrypted
from pptsn.runtime.video.damage import TornPackets
from pptsn.runtime.video.extent import Extent
from pptsn.runtime.video.faults import StalledError, check_stop
from pptsn.runtime.video.wholeness.look import is_last_boundary

if TYPE_CHECKING:
    from av.format import ContainerFormat
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pptsn.runtime.video.web.content import Cursor

# Containers that store a presentation time for each picture.  In others (AVI, raw streams) the time of a
# packet is a guess, and in AVI with B-frames a wrong one.
_TIMED_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "flv"})
# Of these the times tell something as well, but not of each picture: they may be missing, or wrong within a group.
_CLOCKED_CONTAINERS = _TIMED_CONTAINERS | {"asf", "ivf", "mpeg", "nut", "ogg"}
# In these a seek goes by decoding times, and would land behind a key frame that is asked for by its presentation.
_SOUGHT_BY_DTS = frozenset({"mpegts"})
# An MPEG-4 picture that says "not coded", of which decoders make no frame, is never longer.
_NO_PICTURE_BYTES = 8
# Where this is so, a packet more or less is no frame more or less: one may hold a field, or nothing to be shown.
_TIMES_MISSING, _TIMES_REPEAT = "presentation times are missing", "presentation times repeat"
_NO_KEY_FIRST, _LEADS = "it does not begin with a key frame", "it begins with frames shown before its key frame"
_NO_PROMISE = frozenset({_TIMES_MISSING, _TIMES_REPEAT})
# Formats of bare pictures, whose times FFmpeg makes up.
_NO_TIMESTAMPS = cast("int", Flags.no_timestamps.value)
# In these FFmpeg takes what ends the file for one more packet, or for a fault.
_FILMSTRIP, _MULTIPART = "filmstrip", "mpjpeg"
_CHANGES = ("new_extradata", "param_change")


@dataclass(frozen=True)
class FrameIndex:
    """The packets of a video stream, in file order, and what they say about its frames.

    pts: (P,) int64, in units of the stream's time base; -1 throughout where any is missing.
    sizes: (P,) int64, bytes.
    keys: (K,) int64, positions of the packets at which decoding may begin.
    seek_times: the time to ask the container for, by the position of each key packet.
    presented: (F,) int64, positions of the packets in the order in which their frames are shown: frame i comes
        from packet `presented[i]`.  In an index that is not trusted, merely one frame per packet.
    ranks: (P,) int64, the number of the frame that each packet gives, or -1 where it is not shown.
    distrust: why frames must not be looked up here; empty where they may.
    cut_short: what ended the file early; empty where nothing did.
    shortfall: how much shorter it is than it says, in words; empty where it is all there.
    hidden: how many frames an edit list hides, in words; empty where it leaves more than a few.
    joined: that another file is joined to it, in words; empty where none is.
    broken: that its structure is broken on the way, in words; empty where it is not known to be.
    has_keys: whether a packet says that it is a key frame, of which decoding need not begin at each.
    promised: how many frames its packets promise, or None where they do not say.
    encrypted: how many of its packets are.
    duration_s: from the beginning of the first frame to the end of the last; None where there are no timestamps.
    clock: what is wrong with its times, in words; empty where nothing is.
    torn: how many of its packets are known to lack a part.
    offsets: (P,) int64, where each packet begins in the file, -1 where that is not known; of one whose table alone
        was read, and none of its packets; else of no length.
    """

    pts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    seek_times: dict[int, int]
    presented: npt.NDArray[np.int64]
    ranks: npt.NDArray[np.int64]
    distrust: str
    cut_short: str
    shortfall: str = ""
    hidden: str = ""
    joined: str = ""
    broken: str = ""
    has_keys: bool = True
    promised: int | None = None
    encrypted: int = 0
    duration_s: float | None = None
    clock: str = ""
    torn: int = 0
    offsets: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _positions: dict[int, int] = field(default_factory=dict, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether frame i can be found without decoding those before it."""
        return not self.distrust

    @property
    def of_table(self) -> bool:
        """Whether the file's table alone was read, so that its packets are still to be looked at."""
        return len(self.offsets) > 0

    def __len__(self) -> int:
        """Return the number of frames; in an index that is not trusted, a first guess at it."""
        return len(self.presented)

    def position_of(self, pts: int | None) -> int | None:
        """Return the position of the packet with this presentation time, or None."""
        if not self._positions:
            self._positions.update(zip(self.pts.tolist(), range(len(self.pts)), strict=True))
        return None if pts is None else self._positions.get(pts)

    def key_before(self, position: int) -> int | None:
        """Return the position of the last key packet from which the frame of packet `position` can be decoded.

        Frames of an open group of pictures that are shown before its key frame need the key frame before that.
        """
        for key in self.keys[: np.searchsorted(self.keys, position, side="right")][::-1].tolist():
            if self.pts[key] <= self.pts[position]:
                return int(key)
        return None


@dataclass
class _Survey:
    """What the packets of a file look like, gathered in one walk over them."""

    inspector: PacketInspector
    skimmed: Cursor | None = None
    pts: list[int | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    key_dts: list[int | None] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    last_dts: int | None = None
    ordered: bool = True
    damaged: bool = False
    pictureless: bool = False
    changing: bool = False
    turned: bool = False
    encrypted: int = 0
    pictures: int = 0  # packets to be shown that hold one
    torn: int = 0  # that lack a part, as the container says
    _torn_packets: TornPackets = field(default_factory=TornPackets)

    def add(self, packet: Packet[VideoStream]) -> None:
        position = len(self.pts)
        self.pts.append(packet.pts)
        self.sizes.append(packet.size)
        data = memoryview(packet)
        unseen = self.skimmed is not None and self.skimmed.skims
        holds_picture = unseen or self.inspector.holds_picture(data)
        self.pictureless |= not holds_picture
        if position == 0:
            self.turned = self.inspector.turns_pictures(data)
        # Nothing comes before the first packet, so that every decode begins there.
        if packet.is_keyframe and (position == 0 or unseen or self.inspector.is_clean_start(data)):
            self.keys.append(position)
            self.key_dts.append(packet.dts)
        # What an edit list cuts away is decoded for the sake of others, but not shown.
        if not packet.is_discard:
            self.shown.append(position)
            self.pictures += holds_picture
        if packet.dts is not None:  # Matroska has none for the first packets where there are B-frames
            self.ordered &= self.last_dts is None or packet.dts > self.last_dts
            self.last_dts = packet.dts
        if self.skimmed is not None:
            self.offsets.append(-1 if packet.pos is None else packet.pos)
            self.skimmed.skims = True  # the first packet tells of all
        self.torn += self._torn_packets.add(packet)
        self.damaged |= packet.is_corrupt
        self.changing |= _changes_stream(packet)
        self.encrypted += is_encrypted(packet)

    def _leads(self) -> bool:
        """Whether frames hang on others from before the file was cut: a decoder may or may not show them."""
        first = self.pts[0] if self.pts else None
        return first is not None and any(
            pts is not None and pts < first for pts in map(self.pts.__getitem__, self.shown)
        )

    def distrust(self, container: str, codec: str) -> str:
        """Return why the packets do not tell where the frames are, or nothing."""
        reasons = {
            "its container has no presentation times": container not in _TIMED_CONTAINERS,
            "it holds no packets": not self.pts,
            "it shows no frame": not self.shown,
            _TIMES_MISSING: None in self.pts,
            _TIMES_REPEAT: len(set(self.pts)) < len(self.pts),
            "decoding times do not increase": not self.ordered,
            _NO_KEY_FIRST: self.keys[:1] != [0],
            _LEADS: self._leads(),
            "packets are marked as damaged": self.damaged,
            "some packets hold no picture": self.pictureless
            or (codec == "mpeg4" and min(self.sizes, default=0) <= _NO_PICTURE_BYTES),
            "the stream changes on the way": self.changing,
            "its first picture says how the others are held": self.turned,
        }
        return next((reason for reason, found in reasons.items() if found), "")


def _changes_stream(packet: Packet[VideoStream]) -> bool:
    if not hasattr(packet, "has_sidedata"):  # PyAV before 16
        return False
    return any(packet.has_sidedata(kind) for kind in _CHANGES)  # type: ignore[arg-type]


def video_packets(
    video: OpenVideo, *, beside: Callable[[Packet[Any]], None] | None = None
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of the video stream that hold data.

    An empty packet would tell the decoder that the file is over: the last one does, and some files have more.
    beside: called with the packets of other streams; None: they are passed over.
    Raises StalledError where one takes longer than a file may.
    """
    streams = (video.stream,) if beside is None else ()
    container, end = video.container.format.name, 0
    try:
        for packet in timed(DEMUX, video.container.demux(*streams)):
            if not packet.size or (packet.is_corrupt and container == _FILMSTRIP):
                continue
            end = (packet.pos or 0) + packet.size
            if beside is not None and packet.stream_index != video.stream.index:
                beside(packet)
                continue
            yield cast("Packet[VideoStream]", packet)
    except av.error.ExitError:
        raise StalledError(f"gave no packet for {READ_TIMEOUT_S:g} s") from None
    except av.error.InvalidDataError:
        if container != _MULTIPART or not is_last_boundary(video.content, end):
            raise
    except IndexError:
        # After the last packet PyAV looks up each stream, and fails for one that only appeared on the way, as
        # a second programme in a transport stream may.  All packets of ours have been given out by then.
        return


def build_index(video: OpenVideo, *, stop: threading.Event | None = None) -> FrameIndex:
    """Walk over all packets of a freshly opened file and return their index.  Never raises for damaged files.

    Of one that is skimmed, packets but the first are not read: what its table says of them is believed.

    Raises StoppedError once `stop` is set, StalledError where the file gives nothing.
    """
    survey = _Survey(PacketInspector(video.codec.name, video.codec.extradata), video.skimmed)
    extent = Extent(video)
    cut_short = ""
    try:
        for packet in video_packets(video, beside=extent.add_other if extent.needs_others else None):
            check_stop(stop)
            with stage(DEMUX):
                survey.add(packet)
                extent.add(packet)
    except (av.error.FFmpegError, OSError) as error:
        cut_short = str(getattr(error, "strerror", None) or error)
    distrust = survey.distrust(video.container.format.name, video.codec.name)
    if cut_short and not distrust:
        distrust = "it ends early"
    return _index_of(survey, extent, video.container.format, distrust, cut_short, _clock_of(survey, video))


def _clock_of(survey: _Survey, video: OpenVideo) -> Clock:
    """Return what is to be said of the frames' times, where the container has some."""
    if video.container.format.name not in _CLOCKED_CONTAINERS:
        return Clock()
    tick_s, rate = float(video.stream.time_base or 0), video.codec.framerate or video.stream.average_rate
    times = [pts * tick_s for position in survey.shown if (pts := survey.pts[position]) is not None]
    return examine(times, rate=float(rate) if rate else None)


def _index_of(
    survey: _Survey, extent: Extent, container: ContainerFormat, distrust: str, cut_short: str, clock: Clock
) -> FrameIndex:
    has_times = clock.is_known and not container.flags & _NO_TIMESTAMPS
    timed: Sequence[int | None] = survey.pts if None not in survey.pts else [-1] * len(survey.pts)
    pts = np.array(timed, dtype=np.int64)
    shown = np.array(survey.shown, dtype=np.int64)
    if not distrust:
        shown = shown[np.argsort(pts[shown], kind="stable")]
    ranks = np.full(len(pts), -1, dtype=np.int64)
    ranks[shown] = np.arange(len(shown))
    return FrameIndex(
        pts=pts,
        sizes=np.array(survey.sizes, dtype=np.int64),
        keys=np.array(survey.keys, dtype=np.int64),
        seek_times=_seek_times(survey, by_dts=container.name in _SOUGHT_BY_DTS),
        presented=shown,
        ranks=ranks,
        distrust=distrust,
        cut_short=cut_short,
        shortfall=extent.shortfall(),
        hidden=extent.hidden(),
        joined=extent.joined(),
        broken=extent.broken(),
        has_keys=extent.has_keys,
        promised=None if distrust in _NO_PROMISE or container.flags & _NO_TIMESTAMPS else survey.pictures,
        encrypted=survey.encrypted,
        duration_s=clock.duration_s or extent.duration_s if has_times else None,
        clock=clock.trouble,
        torn=survey.torn,
        offsets=np.array(survey.offsets, dtype=np.int64),
    )


def _seek_times(survey: _Survey, *, by_dts: bool) -> dict[int, int]:
    times = {}
    for key, dts in zip(survey.keys, survey.key_dts, strict=True):
        pts = survey.pts[key]
        time = dts if by_dts and dts is not None else pts
        if time is not None:
            times[key] = time
    return times
