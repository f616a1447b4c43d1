"""Cameras, by imitation: what FFmpeg is asked, and what is made of its refusals."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import av
import av.error
import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.sources import device
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import open_source
from tests.clips import write_clip
from tests.runtime.stream.sources.looking import opened


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any path look like a device."""
    monkeypatch.setattr(device, "_mode_of", lambda path: stat.S_IFCHR | 0o660)


def refuse_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(av, "open", refuse)


def ffmpeg_error(kind: type[av.error.FFmpegError], number: int) -> av.error.FFmpegError:
    return kind(number, os.strerror(number), "/dev/video7")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ffmpeg_error(av.error.FileNotFoundError, errno.ENOENT), "there is no such camera"),
        (ffmpeg_error(av.error.OSError, errno.ENODEV), "there is no such camera"),
        (ffmpeg_error(av.error.OSError, errno.EBUSY), "is in use by another program"),
        (ffmpeg_error(av.error.PermissionError, errno.EACCES), "may not be opened by this user"),
        (ffmpeg_error(av.error.ArgumentError, errno.EINVAL), "does not have this size, rate or format"),
        (ffmpeg_error(av.error.OSError, errno.EIO), "cannot be opened (input/output error)"),
        (ffmpeg_error(av.error.TimeoutError, errno.ETIMEDOUT), "timed out after 1 s"),
    ],
)
def test_each_refusal_of_a_camera_has_its_own_words(
    monkeypatch: pytest.MonkeyPatch, plugged_in: None, error: Exception, cause: str
):
    refuse_with(monkeypatch, error)
    with pytest.raises(InputError) as raised:
        opened("7")
    assert str(raised.value).startswith(f"/dev/video7: {cause}")


def test_an_ffmpeg_without_v4l2_is_a_missing_dependency(monkeypatch: pytest.MonkeyPatch, plugged_in: None):
    refuse_with(monkeypatch, ValueError("no container format 'v4l2'"))
    with pytest.raises(MissingDependencyError, match="this FFmpeg has no V4L2"):
        opened("0")


def test_a_camera_that_is_not_there_is_an_input_error():
    with pytest.raises(InputError, match="/dev/video987: there is no such camera; plug it in"):
        opened("987")


def test_a_file_in_the_place_of_a_camera_is_an_input_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device, "_mode_of", lambda path: stat.S_IFREG | 0o660)
    with pytest.raises(InputError, match="is no device"):
        opened("0")


def test_the_options_reach_ffmpeg_and_frames_come(
    monkeypatch: pytest.MonkeyPatch, plugged_in: None, tmp_path: Path
):
    asked: dict[str, Any] = {}
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    real = av.open

    def imitate(file: str, **options: Any) -> Any:
        asked.update(options, file=file)
        return real(str(clip))

    monkeypatch.setattr(av, "open", imitate)
    with opened("2?fps=30&size=640x480&format=mjpeg&timeout=2") as source:
        assert source.live
        assert len(list(source.frames())) == 5
    assert (asked["file"], asked["format"], asked["timeout"]) == ("/dev/video2", "v4l2", 2.0)
    assert asked["options"] == {"framerate": "30", "video_size": "640x480", "input_format": "mjpeg"}


def test_this_ffmpeg_knows_v4l2():
    with pytest.raises(InputError, match="/dev/null: does not have this size, rate or format, or is no camera"):
        open_source(SourceUri("device", "/dev/null", "/dev/null", device.DeviceOptions()), timeout_s=1)
