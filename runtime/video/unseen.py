"""What an index made of a file's table alone leaves to be looked at: the packets, when they are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pptsn.runtime.video.bitstream import PacketInspector

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pptsn.runtime.video.container import OpenVideo
    from pptsn.runtime.video.index import FrameIndex

# Where sound and pictures alternate, a stretch of the file holds some of both; one that holds much more than was
# asked for is read as it comes.
_MOST_BESIDE, _ALWAYS_BESIDE_BYTES = 8, 1 << 20


class UnseenPackets:
    """The packets of a web file, of which its table tells where they lie, and whether decoding may begin there.

    video: the file, open to be decoded.  index: of its table.
    """

    def __init__(self, video: OpenVideo, index: FrameIndex) -> None:
        self._index, self._content = index, video.content
        self._inspector = PacketInspector(video.codec.name, video.codec.extradata)
        for other in video.container.streams:
            if other.index != video.stream.index and hasattr(other, "discard"):  # not PyAV before 17
                other.discard = type(other.discard)["all"]

    def fetch(self, start: int, last: int) -> None:
        """Have the packets at these positions, and those in between, by one request to the server."""
        offsets = self._index.offsets[start : last + 1]
        ends = offsets + self._index.sizes[start : last + 1]
        begin, end = int(offsets.min()), int(ends.max())
        most = _MOST_BESIDE * int(self._index.sizes[start : last + 1].sum()) + _ALWAYS_BESIDE_BYTES
        if begin >= 0 and end - begin <= most:
            self._content.fetch(begin, end)  # type: ignore[union-attr]

    def is_as_told(self, packet: Packet[VideoStream], *, starts: bool) -> bool:
        """Return whether `packet` holds a picture, and one at which decoding may begin if it `starts`."""
        data = memoryview(packet)
        return self._inspector.holds_picture(data) and (not starts or self._inspector.is_clean_start(data))
