from pathlib import Path

import av
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video import open_video
from pptsn.training.synthetic.mp4 import write_mp4
from pptsn.training.synthetic.scene import clip_frames, draw_layout


def noisy_frames(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    still = rng.integers(0, 200, (98, 118, 3), np.uint8)
    return [still + rng.integers(0, 50, still.shape, np.uint8) for _ in range(count)]


def test_frames_come_back_in_number_order_size_and_colour(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 180, 40), (40, 50, 210), (128, 128, 128)]
    write_mp4(tmp_path / "a.mp4", [np.full((50, 64, 3), colour, np.uint8) for colour in colours], fps=12)
    with open_video(tmp_path / "a.mp4") as video:
        frames = [frame.pixels for frame in video.frames()]
    assert [frame.shape for frame in frames] == [(50, 64, 3)] * 4
    for frame, colour in zip(frames, colours, strict=True):
        np.testing.assert_allclose(frame.reshape(-1, 3).mean(0), colour, atol=4)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, float(stream.average_rate)) == ("h264", "yuv420p", 12)


def test_the_same_frames_give_the_same_bytes_whatever_lay_in_memory_before(tmp_path: Path) -> None:
    # Some of x264's settings let what a buffer held before decide: other memory each time brings that out.
    rng = np.random.default_rng(0)
    for clip in range(6):
        scene_rng = np.random.default_rng(clip)
        frames = list(clip_frames(draw_layout(scene_rng), "red disc", scene_rng=scene_rng, shape_rng=rng))
        written = set()
        for attempt in range(4):
            junk = [np.full(size, attempt * 80, np.uint8) for size in rng.integers(1000, 400000, 50)]
            del junk
            write_mp4(tmp_path / "clip.mp4", frames, fps=20)
            written.add((tmp_path / "clip.mp4").read_bytes())
        assert len(written) == 1


def test_a_lower_quality_takes_fewer_bytes(tmp_path: Path) -> None:
    sizes = []
    for quality in (10, 40):
        write_mp4(tmp_path / "a.mp4", noisy_frames(5), fps=20, quality=quality)
        sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert sizes[1] < sizes[0] / 2


def test_no_frames_and_no_place_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no frames"):
        write_mp4(tmp_path / "a.mp4", [], fps=10)
    with pytest.raises(InputError, match="cannot be written"):
        write_mp4(tmp_path / "none" / "a.mp4", noisy_frames(1), fps=10)
