"""What names tell: videos by FFmpeg's own account, and what systems put beside people's files."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from pptsn.runtime.video import formats
from pptsn.runtime.video.names import VIDEO_SUFFIXES, is_companion, is_video, some_of

# Names by which FFmpeg's video formats go that mean sound, pictures, text or nothing in particular just as often.
# fmt: off
_NOT_OF_VIDEOS_ALONE = frozenset((
    "avif", "avs", "bit", "bmv", "cdxl", "cgi", "cif", "cine", "dat", "fap", "flm", "heic", "heif", "idf", "ifv",
    "imx", "ipu", "ism", "isma", "ivr", "j2k", "jxl", "kux", "lvf", "m4a", "m4b", "mka", "mks", "mods", "mpo",
    "mvi", "ogg", "paf", "pdv", "pmp", "qcif", "rgb", "ser", "sga", "son", "str", "swf", "ty+", "usm", "v", "v210",
    "vb", "xl", "yop", "yuv", "yuv10",
))
_CALLED_VIDEOS = (
    "3g2", "M2V", "f4v", "mpe", "qt", "ogm", "divx", "dv", "y4m", "mxf", "mp4", "mkv", "webm", "avi", "ts", "m2ts",
    "wmv", "mov", "3gp", "flv", "gif", "apng", "vob",
)
# fmt: on


def test_every_suffix_of_ffmpegs_video_formats_is_a_videos() -> None:
    unknown = {}
    for name in formats._VIDEO:
        try:
            known = av.format.ContainerFormat(name, "r").extensions
        except ValueError:  # not in this build
            continue
        for suffix in known - _NOT_OF_VIDEOS_ALONE:
            if not is_video(f"x.{suffix}"):
                unknown[suffix] = name
    assert unknown == {}


@pytest.mark.parametrize("suffix", _CALLED_VIDEOS)
def test_what_people_call_videos_is_one(suffix: str) -> None:
    assert is_video(f"clip.{suffix}")
    assert f".{suffix.lower()}" in VIDEO_SUFFIXES


@pytest.mark.parametrize(
    "path", ["._a.mp4", ".DS_Store", "Thumbs.db", "@eaDir/a.mp4/x.jpg", "d/__MACOSX/a.mp4", "$RECYCLE.BIN/a.mp4"]
)
def test_what_systems_put_there_is_a_companion(path: str) -> None:
    assert is_companion(path)
    assert is_companion(Path(path))


@pytest.mark.parametrize("path", ["a.mp4", ".a.mp4", "_a.mp4", "._", "@user.mp4", "eaDir/a.mp4", "thumbs.mp4"])
def test_what_people_made_is_none(path: str) -> None:
    assert not is_companion(path)


def test_a_few_names_stand_for_many() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(list("abcdefg")) == "a, b, c, d, e and 2 more"
