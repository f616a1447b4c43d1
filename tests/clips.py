"""Small clips that tests make for themselves with PyAV, and the plain decoder that everything is compared with."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from pptsn.runtime.video.container import open_options

Pixels = npt.NDArray[np.uint8]

# Small, closed groups of pictures, B-frames some of which other frames refer to.
X264 = {"preset": "fast", "g": "12", "keyint_min": "12", "bf": "3", "sc_threshold": "0", "threads": "1"}

# Display matrices (a, b, c, d) of the eight ways to hold a camera or a mirror.
ORIENTATIONS = {
    "upright": (1, 0, 0, 1),
    "clockwise": (0, 1, -1, 0),
    "half turn": (-1, 0, 0, -1),
    "counterclockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transverse": (0, -1, -1, 0),
}


def picture(number: int, *, width: int = 96, height: int = 64) -> Pixels:
    """Return a (height, width, 3) uint8 RGB picture unlike any other number's: a moving texture and a bar."""
    rng = np.random.default_rng(7)
    texture = rng.integers(0, 256, (height, width + 512, 3), dtype=np.uint8)
    texture = (texture // 4 + 64 * ((np.arange(width + 512) // 24) % 3)[None, :, None]).astype(np.uint8)
    frame = texture[:, (3 * number) % 512 :][:, :width].copy()
    frame[: height // 4, : 1 + (number * 7) % width] = (number * 37 % 256, 255 - number * 11 % 256, 200)
    return frame


def write_clip(
    path: Path,
    *,
    frames: int = 48,
    width: int = 96,
    height: int = 64,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    times: Sequence[int] | None = None,
    container_format: str | None = None,
) -> Path:
    """Write `frames` pictures to `path`; `times` gives each its time, in units of 1 / (rate * 16) s."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, options=dict(X264 if options is None else options))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, rate * 16)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, width=width, height=height), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, rate * 16)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def copy_packets(path: Path, copy: av.container.OutputContainer, *, first: int = 0) -> None:
    """Write the packets of the video of `path`, from number `first` on, into an open file."""
    with av.open(str(path)) as source:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(source.streams.video[0]) if packet.size)
        for packet in itertools.islice(packets, first, None):
            packet.stream = stream
            copy.mux(packet)


@dataclass(frozen=True)
class _Pipe:
    """All that a muxer finds of a pipe."""

    write: Callable[[bytes], int]


def without_first(path: Path, target: Path, count: int) -> Path:
    """Write the video packets of `path` but for the first `count` into another file."""
    with av.open(str(target), "w") as copy:
        copy_packets(path, copy, first=count)
    return target


def write_into_pipe(path: Path, target: Path, container_format: str) -> Path:
    """Write the packets of `path` into `target` as into a pipe, where no length can be filled in at the end."""
    flags = {"movflags": "frag_keyframe+empty_moov"} if container_format == "mp4" else {}
    with (
        open(target, "wb") as file,
        av.open(_Pipe(file.write), "w", format=container_format, options=flags) as copy,
    ):
        copy_packets(path, copy)
    return target


def write_sound(path: Path) -> Path:
    """Write a file with an audio stream alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_joined(path: Path, *sizes: tuple[int, int], frames: int = 12) -> Path:
    """Write a raw H.264 stream (no timestamps) whose picture takes each of `sizes` (width, height) in turn."""
    parts = []
    for width, height in sizes:
        part = path.with_name(f"{path.stem}-{width}x{height}.h264")
        write_clip(part, frames=frames, width=width, height=height)
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    return path


def turn_mp4(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write the display matrix (a, b, c, d) into the track header of an MP4 file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def turn_by_message(path: Path) -> Path:
    """Have the first picture of a raw H.264 or HEVC stream say, for all, that it is held at 90 degrees (SEI)."""
    data, orientation = path.read_bytes(), bytes([47, 3, 8, 0, 9, 0x80])
    hevc = path.suffix == ".hevc"
    unit = b"\0\0\1" + (b"\x4e\1" if hevc else b"\6") + orientation
    first = re.search(rb"\0\0\x01[\x26\x28\x2a]\x01" if hevc else rb"\0\0\x01\x65", data)
    assert first, "no picture at which decoding begins"
    path.write_bytes(data[: first.start()] + unit + data[first.start() :])
    return path


def show_by_edit_list(path: Path, *, first: int, frames: int) -> Path:
    """Let the edit list of an MP4 clip, 25 frames a second, show `frames` frames from number `first` on."""
    with av.open(str(path)) as container:
        ticks = container.streams.video[0].time_base.denominator
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    begin = struct.unpack_from(">i", data, at + 4)[0] + first * ticks // 25
    struct.pack_into(">Ii", data, at, frames * 1000 // 25, begin)
    path.write_bytes(data)
    return path


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Return (offset, size) in the file of each packet of the video stream."""
    with av.open(str(path)) as container:
        return [
            (p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size and p.pos is not None
        ]


def damage_packets(
    path: Path, packets: Iterable[int], *, seed: int = 0, wipe: bool = False, overwrite: bool = False
) -> Path:
    """Flip bits in the given packets of a file.

    wipe: overwrite them with ones instead, so that no picture is left; overwrite: some of their bytes, so that
    pictures come out damaged for certain.
    """
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    for packet in packets:
        offset, size = places[packet]
        if wipe:
            data[offset : offset + size] = b"\xff" * size
        elif overwrite:
            for at in rng.integers(size // 3, size, 16):
                data[offset + int(at)] ^= 1 + int(rng.integers(255))
        else:
            for _ in range(8):
                data[offset + size // 3 + int(rng.integers(size - size // 3))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return path


def cut_file(path: Path, share: float) -> Path:
    """Cut a file off after this share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def decode_plainly(path: Path) -> Iterator[Pixels]:
    """Yield all frames of a file, upright where it is turned: one thread, packet by packet, from the beginning.

    What number a frame has, and what is in it, is what this yields.  Mirrored files are not mirrored back.
    """
    for _, pixels in decode_plainly_at(path, None):
        yield pixels


def decode_plainly_at(path: Path, wanted: Collection[int] | None) -> Iterator[tuple[int, Pixels]]:
    """Yield (number, pixels) of the frames that are wanted, or of all, as `decode_plainly` does."""
    number = -1
    with av.open(str(path), **open_options()) as container:
        stream = container.streams.best("video")
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1  # dav1d has threads of its own
        packets = [*(p for p in container.demux(stream) if p.size), None]
        for packet in packets:
            try:
                frames = stream.codec_context.decode(packet)
            except av.error.FFmpegError:
                continue
            for frame in frames:
                number += 1
                if wanted is None or number in wanted:
                    rgb = frame.to_ndarray(format="rgb24")
                    yield number, np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90))


def retime_ts(path: Path, times: Sequence[float]) -> Path:
    """Write `times`, in seconds, into an MPEG-TS file as the timestamps of its pictures, in their order there.

    The file is without B-frames, so that each has one timestamp.
    """
    data = bytearray(path.read_bytes())
    number = 0
    for start in range(0, len(data), 188):
        begins, adapted = data[start + 1] & 0x40, data[start + 3] & 0x20
        at = start + 4 + (1 + data[start + 4] if adapted else 0)
        if not begins or data[at : at + 3] != b"\0\0\1" or data[at + 3] >> 4 != 0xE:
            continue
        assert data[at + 7] >> 6 == 2, "a picture with one timestamp was expected"
        ticks = round(90_000 * times[number]) % (1 << 33)
        marked = ((ticks >> 30) << 33 | (ticks >> 15 & 0x7FFF) << 17 | (ticks & 0x7FFF) << 1) | 0x2100010001
        data[at + 9 : at + 14] = marked.to_bytes(5, "big")
        number += 1
    assert number == len(times), f"{number} pictures"
    path.write_bytes(data)
    return path
