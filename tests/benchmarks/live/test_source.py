"""What the streams of a trial read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pptsn.benchmarks.live.source import live_source, repeat_clip
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.video.drawn import FPS
from tests.clips import decode_plainly, write_clip


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0) if frame.time is not None]


@pytest.mark.parametrize(("name", "long_name"), [("clip.mp4", "long.mp4"), ("clip.mp4", "long.mkv")])
def test_a_repeated_clip_shows_the_same_pictures_again_at_an_even_pace(
    tmp_path: Path, name: str, long_name: str
) -> None:
    clip = write_clip(tmp_path / name, frames=25)
    long = repeat_clip(clip, tmp_path / long_name, times=3)
    once, thrice = list(decode_plainly(clip)), list(decode_plainly(long))
    assert len(thrice) == 75
    for number, picture in enumerate(thrice):
        np.testing.assert_array_equal(picture, once[number % 25])
    assert np.diff(times_of(long)) == pytest.approx(0.04, abs=0.0011)


def test_a_file_that_is_long_enough_is_read_as_it_is(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    with live_source(str(clip), clips=tmp_path, least_s=2) as source:
        assert (source.name, source.fps, source.uri.target) == ("clip.mp4", 25.0, str(clip))


def test_a_short_file_runs_over_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    with live_source(str(clip), clips=tmp_path, least_s=7) as source:
        assert (source.name, source.fps) == ("clip.mp4", 25.0)
        assert times_of(Path(source.uri.target))[-1] == pytest.approx(8 - 0.04, abs=0.1)
    assert not Path(source.uri.target).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("name", ["clip.h264", "clip.avi"])
def test_a_clip_without_times_is_not_repeated_out_of_order(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, frames=25)
    with pytest.raises(InputError, match=r"cannot be repeated \(its pictures have no times\)"):
        repeat_clip(clip, tmp_path / "long.mkv", times=2)


def test_the_clip_is_made_once_and_lasts_long_enough(tmp_path: Path) -> None:
    short = write_clip(tmp_path / "640x360-6s.mp4", frames=6 * FPS, rate=FPS)  # as if it had been made before
    with live_source(None, clips=tmp_path, least_s=20) as source:
        assert (source.name, source.fps) == ("H.264 640x360", 30.0)
        assert len(times_of(Path(source.uri.target))) == 4 * 6 * FPS
    assert short.exists()


def test_a_live_source_is_taken_as_it_is() -> None:
    text = "synthetic:?live=1&fps=30"
    with live_source(text, clips=Path("unused"), least_s=1000) as source:
        assert (source.name, source.fps, source.uri.options.live) == (text, 30.0, True)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("stdin:", "many streams cannot read standard input"),
        ("/dev/video0", "many streams cannot read /dev/video0"),
        ("synthetic:?fps=30", "has no pace of its own; name a live source, or a file; live=1 makes it one"),
    ],
)
def test_what_many_streams_cannot_read_at_a_pace_is_refused(text: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause), live_source(text, clips=Path("unused"), least_s=1):
        pass


def test_a_missing_file_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"none\.mp4"),
        live_source(str(tmp_path / "none.mp4"), clips=tmp_path, least_s=1),
    ):
        pass
