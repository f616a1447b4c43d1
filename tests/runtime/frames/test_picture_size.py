"""How large a picture may be: sizes from nothing to far beyond the bound, in every kind of picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.frames.picture_size import DEFAULT_MB, VARIABLE, check_size, most_bytes, picture_size
from pptsn.runtime.video import ImageFolderReader, VideoReader
from tests.clips import write_clip

KINDS = (".jpg", ".png", ".bmp", ".webp")


def _encoded(kind: str, width: int, height: int) -> bytes:
    done, content = cv2.imencode(kind, np.zeros((height, width, 3), np.uint8))
    assert done
    return content.tobytes()


def hollow_png(width: int, height: int) -> bytes:
    """Return a PNG of any size in a few bytes: a header that says so, and nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 300), (257, 1), (640, 480), (5000, 40)])
def test_the_size_is_told_from_the_beginning_as_the_decoder_finds_it(kind: str, width: int, height: int) -> None:
    content = _encoded(kind, width, height)
    assert picture_size(content) == (width, height)
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (height, width)


@pytest.mark.parametrize("flags", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
def test_jpegs_of_all_kinds_tell_their_size(flags: list[int]) -> None:
    content = cv2.imencode(".jpg", np.zeros((33, 77, 3), np.uint8), flags)[1].tobytes()
    preview = _encoded(".jpg", 5, 4)
    with_preview = content[:2] + b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview + content[2:]
    filled = content[:2] + b"\xff\xff\xff" + content[2:]
    for jpeg in (content, with_preview, filled):
        assert picture_size(jpeg) == (77, 33)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_cut_or_garbled_tells_no_size_or_another_and_never_fails(kind: str) -> None:
    content = _encoded(kind, 64, 48)
    for length in range(len(content)):
        assert picture_size(content[:length]) in (None, (64, 48))
    rng = np.random.default_rng(3)
    for _ in range(300):
        garbled = bytearray(content[:200])
        for place in rng.integers(len(garbled), size=4):
            garbled[place] = rng.integers(256)
        picture_size(bytes(garbled))


@pytest.mark.parametrize("megabytes", [1, 2, 128, 3000])
def test_the_bound_is_exact_and_configurable(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    monkeypatch.setenv(VARIABLE, str(megabytes))
    check_size("a.png", megabytes * 1_000_000 // 300, 100)
    check_size("a.png", 0, 10**9)
    with pytest.raises(InputError, match=rf"a\.png: has a picture of .* more than {megabytes} MB; .*{VARIABLE}="):
        check_size("a.png", megabytes * 1_000_000 // 300 + 1, 100)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", "3001", "1e9"])
def test_a_bound_that_makes_no_sense_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=f"{VARIABLE}: is .*; expected 1 to 3000 megabytes"):
        most_bytes()


def test_an_8k_frame_is_within_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    check_size("8k", 7680, 4320)
    assert most_bytes() == DEFAULT_MB * 1_000_000


@pytest.mark.parametrize("side", [30_000, 65_535, 10**6, 2**31 - 1])
def test_a_folder_of_too_large_pictures_is_one_line_before_any_memory(tmp_path: Path, side: int) -> None:
    (tmp_path / "img_00001.png").write_bytes(hollow_png(side, side))
    with pytest.raises(InputError, match=rf"img_00001\.png: has a picture of {side} x {side}, \d+ MB decoded"):
        ImageFolderReader(tmp_path).read([0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("megabytes", "fits"), [(1, False), (2, True)])
def test_real_pictures_fit_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, megabytes: int, fits: bool
) -> None:
    (tmp_path / f"a{kind}").write_bytes(_encoded(kind, 800, 700))  # 1.68 MB
    monkeypatch.setenv(VARIABLE, str(megabytes))
    reader = ImageFolderReader(tmp_path)
    if fits:
        assert reader.read([0])[0].pixels.shape == (700, 800, 3)
        return
    with pytest.raises(InputError, match="has a picture of 800 x 700, 1 MB decoded, more than 1 MB"):
        reader.read([0])


@pytest.mark.parametrize(("megabytes", "fits"), [(1, False), (2, True)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_videos_frames_are_bounded_likewise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, megabytes: int, fits: bool
) -> None:
    clip = write_clip(tmp_path / f"a{suffix}", frames=5, width=800, height=700)
    monkeypatch.setenv(VARIABLE, str(megabytes))
    if fits:
        assert len(list(VideoReader(clip).frames())) == 5
        return
    with pytest.raises(InputError, match=rf"a\{suffix}: has a picture of 800 x 700"):
        VideoReader(clip)


@pytest.mark.parametrize("side", [30_000, 16_000, 10**6])
def test_a_picture_given_as_a_video_is_bounded_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(hollow_png(side, side))
    with pytest.raises(InputError, match=rf"a\.png: has a picture of {side} x {side}"):
        VideoReader(tmp_path / "a.png")
