from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.passed import Passed
from pptsn.runtime.video.wholeness.look import is_cut_off
from tests.clips import write_clip, write_into_pipe
from tests.runtime.stream.sources.looking import all_frames, frames_and_error, opened, times

RAW = "-?format=rawvideo&size=20x10&pixel_format=rgb24&fps=10"


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """Yield the reading end of a pipe into which `data` is written."""
    read_end, write_end = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), open(write_end, "wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield read_end
    finally:
        os.close(read_end)
        writer.join(5)


@pytest.mark.parametrize("suffix", ["ts", "mkv", "h264"])
def test_a_container_can_come_through_a_pipe(tmp_path: Path, suffix: str):
    data = write_clip(tmp_path / f"clip.{suffix}", frames=30).read_bytes()
    with piped(data) as descriptor, opened("-", stdin_fd=descriptor) as source:
        assert not source.live
        given = times(list(source.frames()))
    assert len(given) == 30
    assert given[-1] - given[0] == pytest.approx(29 / 25, abs=0.01)


def test_a_raw_stream_goes_by_the_rate_that_is_asked_for(tmp_path: Path):
    data = write_clip(tmp_path / "clip.h264", frames=5).read_bytes()
    with piped(data) as descriptor:
        assert times(all_frames("-?format=h264&fps=10", stdin_fd=descriptor)) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_raw_pictures_come_as_they_are():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 10, 20, 3), dtype=np.uint8)
    with piped(pictures.tobytes()) as descriptor:
        frames = all_frames(RAW, stdin_fd=descriptor)
    assert times(frames) == [0.0, 0.1, 0.2, 0.3]
    assert np.array_equal([c.frame.to_ndarray() for c in frames], pictures)


def test_a_redirected_file_may_have_its_index_at_its_end(tmp_path: Path):
    path = write_clip(tmp_path / "clip.mp4", frames=60, width=320, height=240)
    assert path.stat().st_size > 150_000  # more than FFmpeg keeps in mind
    with open(path, "rb") as clip:
        assert len(all_frames("-", stdin_fd=clip.fileno())) == 60
        os.fstat(clip.fileno())  # still open


def _told(text: object, *, stdin_fd: int | None = None) -> tuple[int, str]:
    """Return how many frames a source gives, and what it says at its end."""
    try:
        with opened(text, stdin_fd=stdin_fd) as source:
            frames, error = frames_and_error(source)
            return len(frames), "; ".join([*source.notes, str(error or "").partition(": ")[2]])
    except InputError as error:
        return 0, str(error).partition(": ")[2]


_IN_PIPES = {
    "a.ts": ("mpeg2video", None),
    "a.mkv": ("mpeg4", None),
    "live.mkv": ("mpeg4", "matroska"),
    "a.flv": ("flv", None),
    "live.flv": ("flv", "flv"),
    "live.avi": ("mpeg4", "avi"),
    "a.mpg": ("mpeg2video", None),
    "a.ogv": ("libvpx", None),
    "a.swf": ("flv", None),
    "live.ivf": ("libvpx", "ivf"),
    "a.y4m": ("wrapped_avframe", None),
    "fragments.mp4": ("mpeg4", "mp4"),
}


@pytest.mark.parametrize("name", _IN_PIPES)
def test_what_is_cut_off_in_a_pipe_is_told_as_of_a_file(name: str, tmp_path: Path):
    codec, live = _IN_PIPES[name]
    path = write_clip(tmp_path / f"whole{Path(name).suffix}", frames=30, codec=codec, options={"g": "8"})
    if live is not None:
        path = write_into_pipe(path, tmp_path / name, live)
    data = path.read_bytes()
    for place in range(9):
        cut = data[: len(data) - place * len(data) // 11]
        path.write_bytes(cut)
        by_path = _told(path)
        with piped(cut) as descriptor:
            assert _told("-", stdin_fd=descriptor) == by_path, place
        with open(path, "rb") as file:
            assert _told("-", stdin_fd=file.fileno()) == by_path, place
        cut_between = name == "a.mpg" and not is_cut_off(path, "mpeg")
        assert ("ends early" in by_path[1]) == (place > 0 and not cut_between), (place, by_path)


def test_what_a_long_pipe_does_not_remember_says_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pptsn.runtime.stream.sources.passed._HEAD_BYTES", 100)
    monkeypatch.setattr("pptsn.runtime.stream.sources.passed._TAIL_BYTES", 100_000)
    data = np.random.default_rng(0).integers(0, 256, 500_000, dtype=np.uint8).tobytes()
    with piped(data) as descriptor:
        passed = Passed(descriptor)
        with pytest.raises(OSError, match="has not ended"):
            passed.content()
        with open(passed.fd, "rb", closefd=False) as received:
            assert received.read() == data
        with passed.content() as content:
            assert content.read(50) == data[:50]
            assert content.seek(-90_000, os.SEEK_END) == 410_000
            assert content.read() == data[-90_000:]
            content.seek(200_000)
            with pytest.raises(OSError, match="not remembered"):
                content.read(1)
        passed.close()
        passed.close()


@pytest.mark.parametrize("read", [0, 1, 100_000])
def test_who_leaves_early_leaves_nothing_of_a_pipe(read: int):
    descriptors = len(list(Path("/dev/fd").iterdir()))
    with piped(bytes(1_000_000)) as descriptor:
        passed = Passed(descriptor)
        os.read(passed.fd, read)
        passed.close()
        os.fstat(descriptor)  # still open
    assert len(list(Path("/dev/fd").iterdir())) == descriptors
    assert "pass on" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("data", [b"", b"no video\n" * 1000])
def test_what_is_no_video_is_an_input_error(data: bytes):
    with piped(data) as descriptor, pytest.raises(InputError) as raised:
        opened("-", stdin_fd=descriptor)
    assert "standard input: holds no video that can be read from front to back" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("-?format=rawvideo&size=20x10", "raw video needs a size and a pixel format"),
        ("-?format=nosuch", "FFmpeg knows no format 'nosuch'"),
    ],
)
def test_options_that_do_not_do_are_input_errors(text: str, cause: str):
    with piped(b"x" * 1000) as descriptor, pytest.raises(InputError, match=cause):
        opened(text, stdin_fd=descriptor)


def test_a_terminal_is_an_input_error():
    main, terminal = os.openpty()
    try:
        with pytest.raises(InputError, match="is a terminal"):
            opened("-", stdin_fd=terminal)
    finally:
        os.close(main)
        os.close(terminal)


def test_standard_input_that_is_not_there_is_an_input_error():
    with pytest.raises(InputError, match="is not connected"):
        opened("-")


@pytest.mark.parametrize("name", ["a.ivf", "a.nut", "live.flv"])
def test_what_follows_a_whole_file_in_a_pipe_is_no_early_end(name: str, tmp_path: Path):
    codec = {"a.ivf": "libvpx", "a.nut": "mpeg4", "live.flv": "flv"}[name]
    path = write_clip(tmp_path / f"whole{Path(name).suffix}", frames=12, codec=codec, options={})
    if name == "live.flv":
        path = write_into_pipe(path, tmp_path / name, "flv")
    for tail in (b"", b"TAG".ljust(128, b"\0"), bytes(5000)):
        with piped(path.read_bytes() + tail) as descriptor:
            assert _told("-", stdin_fd=descriptor) == (12, ""), tail[:4]
