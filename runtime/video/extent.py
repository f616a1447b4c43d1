"""How far the frames of a file reach, and whether that is as far as the file says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pptsn.runtime.video.container import OpenVideo
from pptsn.runtime.video.names import number_of
from pptsn.runtime.video.wholeness.look import MP4, broken_share, is_cut_off, is_joined, lacks_pictures

if TYPE_CHECKING:
    from av.packet import Packet

_MXF, _IVF = "mxf", "ivf"
# Containers whose header states how long they are; in others FFmpeg makes it up of what is there.
_STATE_LENGTH = frozenset({MP4, "matroska,webm", "avi", "flv", "asf", _IVF, _MXF})
# In these the header states the length of the longest stream alone.
_STATE_THE_LONGEST = frozenset({"matroska,webm", "flv", "asf", _MXF})
# What a muxer may round, or count of a last frame, in frames: of a file that is whole by its structure, and of one
# that is known to be cut off.
_TOLERATED_FRAMES, _TOLERATED_FRAMES_IF_CUT = 1.5, 0.5
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_MICROSECONDS = 1_000_000
_INSIDE_A_PACKET, _A_PART_IS_MISSING = "inside a packet", "its last part is missing"
# What FFmpeg writes for a length that it fills in at the end, which it cannot do in a pipe: in an AVI's frames,
# and in an IVF's ticks.
_AVI_TO_FILL_IN, _IVF_TO_FILL_IN = 1 << 30, 0xFFFFFFFF
# An edit list is worth a word from this share of the frames on; to cut a little off is what it is for.
_HIDES_NEARLY_ALL = 0.9
# What is shorter shows better as a number of frames.
_TOLD_IN_SECONDS_S = 0.1


class Extent:
    """Takes the packets of an open file one by one, and tells how far they reach."""

    def __init__(self, video: OpenVideo) -> None:
        self._video = video
        self._packets = self._keys = self._shown = self._discarded = 0
        self._read_to = 0  # where the newest packet begins
        self._untimed_first = 0  # packets before the first one that has a time
        self._first: int | None = None
        self._last: int | None = None
        self._last_duration = 0
        self._partial = False  # whether the newest packet is but the beginning of one
        self._others_end_s = 0.0

    @property
    def needs_others(self) -> bool:
        """Whether the packets of other streams tell more: where the file states the length of all together."""
        video = self._video
        several = len(video.container.streams) > 1
        return several and video.container.format.name in _STATE_THE_LONGEST and _own_end_s(video) is None

    def add(self, packet: Packet[Any]) -> None:
        """Take a packet of the video stream."""
        self._packets += 1
        self._read_to = packet.pos or 0
        self._keys += packet.is_keyframe
        self._partial = packet.is_corrupt
        self._discarded += packet.is_discard
        pts = packet.pts
        if pts is None or packet.is_discard:
            self._untimed_first += self._first is None and not packet.is_discard
            return
        self._shown += 1
        if self._first is None or pts < self._first:
            self._first = pts
        if self._last is None or pts >= self._last:
            self._last, self._last_duration = pts, packet.duration or 0

    def add_other(self, packet: Packet[Any]) -> None:
        """Take a packet of another stream."""
        if packet.pts is not None:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._others_end_s = max(self._others_end_s, end_s)

    @property
    def has_keys(self) -> bool:
        """Whether a packet is a key frame, or none came."""
        return bool(self._keys or not self._packets)

    @property
    def duration_s(self) -> float | None:
        """Seconds from the beginning of the first frame to the end of the last, or None for no timestamps."""
        ticks = self._ticks
        return None if ticks is None else ticks * self._tick_s

    @property
    def _tick_s(self) -> float:
        return float(self._video.stream.time_base or 0)

    @property
    def _ticks(self) -> float | None:
        if self._first is None or self._last is None or not self._tick_s:
            return None
        shown = self._last + (self._last_duration or self._mean_step) - self._first
        return shown + self._untimed_first * self._mean_step

    @property
    def _mean_step(self) -> float:
        """Ticks from a frame to the next, for a last frame that does not say how long it is shown."""
        if self._first is None or self._last is None or self._shown < 2:
            return self._stated_step
        return (self._last - self._first) / (self._shown - 1)

    @property
    def _stated_step(self) -> float:
        """Ticks from a frame to the next as the file states its rate; 0 where it does not."""
        rate = self._video.stream.average_rate
        return 1 / float(rate) / self._tick_s if rate and self._tick_s else 0.0

    @property
    def _tolerated(self) -> float:
        """Ticks; a clock that stands still or runs fast makes the mean step no measure of what a muxer counts."""
        return _TOLERATED_FRAMES * max(self._mean_step, self._last_duration, self._stated_step)

    @property
    def _tolerated_if_cut(self) -> float:
        """Ticks; a gap between frames makes the mean step no measure of what is missing after it."""
        return _TOLERATED_FRAMES_IF_CUT * min(self._last_duration or self._mean_step, self._mean_step)

    def hidden(self) -> str:
        """Return how many frames an edit list hides, in words; "" where it leaves more than a few."""
        if self._video.container.format.name != MP4 or not self._packets:  # which may be missing
            return ""
        listed = self._video.stream.frames
        # What no frame that is shown builds on FFmpeg leaves out of its own table.
        hidden = listed - _listed_packets(self._video, at_least=0) + self._discarded
        if hidden <= 0 or hidden < _HIDES_NEARLY_ALL * listed:
            return ""
        return f"its edit list hides {hidden} of {number_of(listed, 'frame')}"

    def joined(self) -> str:
        """Return that there is another file behind this one, in words; "" where there is none."""
        is_joined_to = is_joined(self._video.content, self._video.container.format.name, self._read_to)
        return "another file is joined to it, which is not read" if is_joined_to else ""

    def broken(self) -> str:
        """Return that it is broken on the way, in words; "" where nothing is known of that."""
        share = broken_share(self._video.content, self._video.container.format.name)
        return "" if share is None else f"it is broken at {share:.0%} of its bytes: frames may be wrong or missing"

    def shortfall(self) -> str:
        """Return how much shorter the file is than it says, in words; "" where it is all there."""
        container = self._video.container.format.name
        if container == MP4 and self._video.stream.frames:
            return self._unindexed()
        is_cut = is_cut_off(self._video.content, container)
        if container == _MXF and not is_cut:  # of one that is still written FFmpeg makes the length up
            return ""
        if container == _IVF and is_cut is False:  # the length that it states is one in packets
            return ""
        stated_s = _own_end_s(self._video) or _stated_s(self._video)
        length_s = self.duration_s
        inside_a_packet = self._partial and is_cut is not False
        end = _INSIDE_A_PACKET if inside_a_packet else _A_PART_IS_MISSING if is_cut else ""
        # For how long one frame alone is shown nobody knows, but an IVF whose ticks are frames states how many.
        one_frame_alone = not self._mean_step and not is_cut and not (container == _IVF and self._last_duration)
        if stated_s is None or length_s is None or one_frame_alone:
            return end
        # An MXF states how long its frames are shown, the others when the last one ends.
        begin_s = 0.0 if container == _MXF else float(self._first or 0) * self._tick_s
        end_s = max(length_s, begin_s + length_s, self._others_end_s)
        tolerated = self._tolerated_if_cut if is_cut else self._tolerated
        if end_s < stated_s - tolerated * self._tick_s:
            return _of(length_s, stated_s)
        # Of fragments FFmpeg may know no more than those that are there.
        if inside_a_packet or container == MP4:
            return end
        # What is missing may be shown before what is there.
        return end if is_cut and lacks_pictures(self._video.content, container) else ""

    def _unindexed(self) -> str:
        """Return what is missing of the frames that the file's own table lists."""
        whole = self._packets - self._partial
        listed = _listed_packets(self._video, at_least=whole)
        lacking = listed - whole
        if lacking <= 0:
            return ""
        stated_s, length_s = self._video.duration_s, self.duration_s or 0.0
        if stated_s is None or lacking * self._mean_step * self._tick_s < _TOLD_IN_SECONDS_S:
            return f"{listed - lacking} of {listed} frames"
        return _of(length_s, stated_s)


def _of(length_s: float, stated_s: float) -> str:
    """Return both in as few decimals as tell them apart."""
    digits = next((n for n in (1, 2) if f"{length_s:.{n}f}" != f"{stated_s:.{n}f}"), 3)
    return f"{length_s:.{digits}f} of {stated_s:.{digits}f} s"


def _listed_packets(video: OpenVideo, *, at_least: int) -> int:
    """Return how many packets with data the table of an MP4 file lists, or `at_least` where it is no more."""
    entries: Any = getattr(video.stream, "index_entries", None)
    if entries is None:  # PyAV before 16
        return int(video.stream.frames)
    return sum(entry.size > 0 for entry in entries) if len(entries) > at_least else at_least


def _own_end_s(video: OpenVideo) -> float | None:
    """Return when the video stream ends as the file states it, or None where it tells of all streams together."""
    stream = video.stream
    if 0 < stream.frames < _AVI_TO_FILL_IN and stream.time_base and video.container.format.name == "avi":
        return float(stream.frames * stream.time_base)  # of one that was cut off FFmpeg guesses the duration
    clock = _CLOCK.match(stream.metadata.get("DURATION", ""))
    if clock and video.container.format.name == "matroska,webm":
        return 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
    return None


def _stated_s(video: OpenVideo) -> float | None:
    container = video.container
    if container.format.name not in _STATE_LENGTH or not container.duration or container.duration < 0:
        return None
    if container.format.name == _IVF and video.stream.duration == _IVF_TO_FILL_IN:
        return None
    if container.format.name == "avi" and video.stream.frames >= _AVI_TO_FILL_IN:
        return None
    return container.duration / _MICROSECONDS
