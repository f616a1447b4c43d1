"""How much of a source came out damaged, in words, and when that is too much for an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import InputError

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.video.stream import VideoStream

# Decoders that mark a picture in which they had to make something up, and no other: found by damaging clips of
# every codec that can be written here, and by none being marked in those of users that are whole.
MARKS_DAMAGE = frozenset(
    {"flv", "h263", "h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "prores"}
)
# These mark every picture of many files that are whole; to them, all means none.
_MARK_ALL = frozenset({"vc1", "wmv2", "wmv3"})
# Decoders that draw on grey what builds on a picture that never came, and do not mark it; others show nothing
# before a key frame.  Found by leaving out the first packets of clips of every codec that can be written here.
_GO_ON_WITHOUT_KEY = frozenset({"flv", "h261", "h263", "mpeg4", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2"})
# Of a stream that never comes to a key frame no more are remembered.
_MOST_TIMES = 100_000
# From this share on, of the frames decoded and of those sampled, an answer would be one about nothing.
_NEARLY_ALL = 0.9


def marks_all(codec: str) -> bool:
    """Return whether a decoder marks whole pictures as damaged, so that all being marked means nothing."""
    return codec in _MARK_ALL


def goes_on_without_key(codec: str) -> bool:
    """Return whether a decoder shows what builds on a picture that it never had, and calls it whole."""
    return codec in _GO_ON_WITHOUT_KEY


@dataclass(frozen=True)
class Damage:
    """What is known to have come out damaged, of the frames that a source gave so far.

    decoded: frames that were decoded, and packets or pictures that could not be, of which damaged: came out
        damaged or not at all.
    sampled: frames that were asked for, of which sampled_damaged: came out damaged.
    marked: whether the decoder marks damage reliably.
    """

    decoded: int = 0
    damaged: int = 0
    sampled: int = 0
    sampled_damaged: int = 0
    marked: bool = True

    def where_all_are_asked_for(self) -> Damage:
        """Return what this is for one that asks for every frame."""
        return replace(self, sampled=self.decoded, sampled_damaged=self.damaged)

    @property
    def is_nearly_all(self) -> bool:
        """Whether hardly a picture is whole, neither of those decoded nor of those sampled."""
        return (
            self.marked
            and self.damaged >= max(1, _NEARLY_ALL * self.decoded)
            and self.sampled_damaged >= max(1, _NEARLY_ALL * self.sampled)
        )


class TornPackets:
    """Finds the packets of a video stream of which a part is missing, as their container says."""

    def __init__(self) -> None:
        self._marked = (False, False)  # the newest two packets, as damaged

    def add(self, packet: Packet[VideoStream]) -> bool:
        """Take a packet; return whether the one before it lacks a part.

        A transport stream is parsed a packet late, so that the one before that is marked.  Where streams were put
        one after the other, the last packet of each, before a key frame, only seems to lack a part.
        """
        is_torn = self._marked[0] and not packet.is_keyframe
        self._marked = self._marked[1], packet.is_corrupt
        return is_torn


class Beginning:
    """Looks for what a video lacks before its first key frame.  For use by one thread.

    codec: FFmpeg's name of the decoder.  tick_s: of the times of its packets and frames, in seconds.
    missing: frames that are due before the first one that came; missing_s: how long they are.
    sent: packets to be shown until a frame came.
    """

    def __init__(self, codec: str, tick_s: float) -> None:
        self._tick_s = tick_s
        self.missing, self.missing_s, self.sent = 0, 0.0, 0
        self._times: set[int] = set()
        self._came = False
        self._lacks_key = goes_on_without_key(codec)

    def send(self, packet: Packet[VideoStream] | None) -> None:
        """Take a packet that the decoder is about to get, or None for the end."""
        if self._came or packet is None or packet.is_discard:
            return
        self.sent += 1
        if packet.pts is not None and len(self._times) < _MOST_TIMES:
            self._times.add(packet.pts)

    def is_whole(self, frame: av.VideoFrame, *, lost: int) -> bool:
        """Return whether `frame`, the next one that came, hangs on none that is missing, as far as known.

        lost: packets so far that could not be decoded, which are counted by who asks.
        """
        if not self._came:
            self._came = True
            self._compare(frame.pts, lost)
        self._lacks_key &= not frame.key_frame
        return not self._lacks_key

    def _compare(self, first: int | None, lost: int) -> None:
        before = [] if first is None else [time for time in self._times if time < first]
        if first is not None and len(before) > lost:
            self.missing, self.missing_s = len(before) - lost, (first - min(before)) * self._tick_s
        self._times.clear()

    def told(self) -> str:
        """Return what is missing in words; "" where nothing is."""
        if not self.missing:
            return ""
        which = "first frame" if self.missing == 1 else f"first {self.missing} frames"
        return f"its {which} ({self.missing_s:.2f} s) did not come out: a picture that they build on is missing"


def require_sound(source: str | Path, damage: Damage) -> None:
    """Raise InputError where nearly all pictures of `source` are damaged."""
    if damage.is_nearly_all:
        cause = (
            f"{damage.damaged} of {damage.decoded} frames are damaged, "
            f"{damage.sampled_damaged} of the {damage.sampled} sampled"
        )
        raise InputError(source, cause, "get a whole copy; `pptsn classify --accept-damaged` takes it as it is")
