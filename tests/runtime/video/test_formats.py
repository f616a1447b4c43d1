"""A file is read, and no other in its place: what names others is refused, whatever it is called and names."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from av.format import ContainerFormat

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video import open_video
from pptsn.runtime.video.formats import FILE_FORMATS
from tests.clips import write_clip

# Demuxers that open what a file names, what lies beside it, or a device.
OPENERS = (
    "concat", "dash", "fbdev", "hls", "image2", "imf", "lavfi", "mlv", "rtp", "rtsp", "sap", "sdp", "vobsub",
    "webm_dash_manifest", "x11grab",
)  # fmt: skip

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:1,\n{}\n"
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" profiles="urn:mpeg:dash:profile:isoff-live:2011">
<Period><AdaptationSet mimeType="video/mp2t"><Representation id="0" bandwidth="1"><BaseURL>{}</BaseURL>
</Representation></AdaptationSet></Period></MPD>
"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={}\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
LISTS = {
    "concat": ("ffconcat version 1.0\nfile {}\n", "a list of files for FFmpeg's concat"),
    "hls": (HLS, "a playlist of HLS"),
    "ended hls": (HLS + "#EXT-X-ENDLIST\n", "a playlist of HLS"),
    "dash": (DASH, "a manifest of DASH"),
    "sdp": (SDP, "a description of a session"),
}


def error_of(path: Path) -> str:
    """Return how `path` is refused, within seconds, or "" where it is not."""
    found: list[str] = []

    def use() -> None:
        try:
            with open_video(path) as video:
                video.frame_count()
        except InputError as error:
            found.append(str(error))
        else:
            found.append("")

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(20)
    assert found, f"{path} is still being opened"
    return found[0]


def a_clip(folder: Path) -> str:
    return write_clip(folder / "inner.ts", frames=5).name


def a_pipe(folder: Path) -> str:
    os.mkfifo(folder / "inner.ts")
    return "inner.ts"


def itself(folder: Path) -> str:
    return "outer.mp4"


def nothing(folder: Path) -> str:
    return "gone.ts"


@pytest.mark.parametrize("inner", [a_clip, a_pipe, itself, nothing])
@pytest.mark.parametrize("name", ["outer.mp4", "outer"])
@pytest.mark.parametrize("kind", LISTS)
def test_what_names_other_files_is_refused_by_its_name(
    kind: str, name: str, inner: Callable[[Path], str], tmp_path: Path
) -> None:
    text, called = LISTS[kind]
    outer = tmp_path / name
    outer.write_text(text.format(inner(tmp_path)))
    error = error_of(outer)
    assert error.startswith(f"{outer}: is {called}"), error
    assert "pptsn stream" in error


def test_a_list_within_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text(HLS.format(a_clip(tmp_path)))
    (tmp_path / "b.mp4").write_text("ffconcat version 1.0\nfile a.m3u8\n")
    assert "opens other files" in error_of(tmp_path / "b.mp4")


def test_a_picture_is_read_and_a_pattern_of_pictures_is_not(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    for name in ("a.jpg", "a1.jpg", "a%d.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 32, 3), np.uint8))
    assert error_of(tmp_path / "a.jpg") == ""
    assert "pattern" in error_of(tmp_path / "a%d.jpg")


@pytest.mark.parametrize("name", OPENERS)
def test_no_format_that_opens_others_is_allowed(name: str) -> None:
    names = {name}
    with suppress(ValueError):  # not in this FFmpeg
        names |= set(ContainerFormat(name, "r").name.split(","))
    assert not names & FILE_FORMATS


@pytest.mark.shared
@pytest.mark.parametrize("name", ["live.m3u8", "looks_like_a_video.mp4", "good.ts"])
def test_hostile_lists_are_refused_and_their_neighbour_is_read(name: str, shared_dir: Path) -> None:
    path = shared_dir / "faults" / "hostile" / "hang" / name
    assert bool(error_of(path)) == (name != "good.ts")
