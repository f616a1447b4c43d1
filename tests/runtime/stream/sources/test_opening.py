"""Files and folders, and what is said of those that cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from tests.clips import (
    cut_file,
    damage_packets,
    decode_plainly,
    packet_places,
    picture,
    show_by_edit_list,
    without_first,
    write_clip,
    write_joined,
    write_sound,
)
from tests.runtime.stream.sources.looking import all_frames, frames_and_error, opened, times


def rgb(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24")


def test_a_file_gives_each_frame_with_its_time(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    with opened(clip) as source:
        assert (source.live, source.frame_rate, source.duration_s) == (False, 25.0, pytest.approx(1.2))
        frames = list(source.frames())
    assert times(frames) == [round(number / 25, 3) for number in range(30)]
    assert all(map(np.array_equal, (rgb(c.frame) for c in frames), decode_plainly(clip)))


@pytest.mark.parametrize("rate", [1, 480, 600, 1000])
def test_a_file_of_any_rate_has_it(tmp_path: Path, rate: int):
    """Whatever the time base: beyond 480 a rate that is stated alone may be that."""
    clip = write_clip(tmp_path / "clip.mp4", frames=12, rate=rate)
    with opened(clip) as source:
        assert source.frame_rate == pytest.approx(rate)


def test_a_varying_frame_rate_is_kept(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mkv", frames=4, times=[0, 16, 160, 176], options={"bf": "0"})
    assert times(all_frames(clip)) == [0.0, 0.04, 0.4, 0.44]


@pytest.mark.parametrize("threads", [1, 2])
def test_frames_are_the_same_with_any_number_of_threads(tmp_path: Path, threads: int):
    clip = write_clip(tmp_path / "clip.mp4", frames=20)
    frames = all_frames(f"{clip}?threads={threads}")
    assert all(map(np.array_equal, (rgb(c.frame) for c in frames), decode_plainly(clip)))
    assert len(frames) == 20


def test_a_raw_stream_goes_by_the_rate_that_is_asked_for(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.h264", frames=20)
    with opened(f"{clip}?fps=10") as source:
        assert source.frame_rate == 10
        assert times(list(source.frames())) == [round(number / 10, 3) for number in range(20)]


def test_timestamps_win_over_a_rate_that_is_asked_for(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    assert times(all_frames(f"{clip}?fps=10")) == [0.0, 0.04, 0.08, 0.12]


def test_a_size_may_change_on_the_way(tmp_path: Path):
    clip = write_joined(tmp_path / "clip.h264", (96, 64), (64, 96), frames=6)
    assert [c.frame.width for c in all_frames(clip)] == [96] * 6 + [64] * 6


def test_decoding_goes_on_after_damaged_packets_and_counts_them(tmp_path: Path):
    clip = damage_packets(write_clip(tmp_path / "clip.mp4"), [20, 21], wipe=True)
    with opened(clip) as source:
        frames = list(source.frames())
        assert source.decode_errors == 2
    assert len(frames) == 46
    assert max(times(frames)) == pytest.approx(47 / 25, abs=0.001)


@pytest.mark.parametrize("first", [0, 1, 7, 12, 29])
@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.ts"), ("mpeg4", "a.mp4")])
def test_a_beginning_without_a_key_frame_is_told(codec: str, name: str, first: int, tmp_path: Path):
    whole = write_clip(
        tmp_path / "whole.nut", frames=40, codec=codec, options={"g": "12", "bf": "0", "sc_threshold": "0"}
    )
    missing = -first % 12
    with opened(without_first(whole, tmp_path / name, first)) as source:
        frames = list(source.frames())
        told = "".join(source.notes)
    made_up = missing if codec == "mpeg4" else 0  # it goes on without
    assert [frame.is_damaged for frame in frames[: made_up + 1]] == [True] * made_up + [False]
    assert told.startswith("its first ") == (missing > 0 and not made_up)
    assert len(frames) == 40 - first - (0 if made_up else missing)


@pytest.mark.parametrize("frames", [40, 2, 0])
def test_an_edit_list_that_hides_nearly_all_is_told(frames: int, tmp_path: Path):
    clip = show_by_edit_list(write_clip(tmp_path / "a.mp4", frames=40), first=40 - frames, frames=max(1, frames))
    with opened(clip) as source:
        shown, error = frames_and_error(source)
        told = [*source.notes, *(error.cause for error in [error] if error is not None)]
    assert len(shown) == frames
    assert told == ([] if frames == 40 else [f"its edit list hides {40 - frames} of 40 frames"])


def test_a_file_that_is_cut_off_gives_what_there_is(tmp_path: Path):
    clip = cut_file(write_clip(tmp_path / "clip.ts"), 0.5)
    assert 10 < len(all_frames(clip)) < 40


def test_a_file_without_any_whole_picture_is_an_error(tmp_path: Path):
    clip = damage_packets(write_clip(tmp_path / "clip.mp4", frames=6), range(6), wipe=True)
    with opened(clip) as source:
        frames, error = frames_and_error(source)
    assert not frames
    assert str(error).startswith(
        f"{clip}: holds no frame that can be decoded (6 packets failed, none is a key frame)"
    )


def test_closing_twice_is_allowed(tmp_path: Path):
    source = opened(write_clip(tmp_path / "clip.mp4", frames=2))
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("absent.mp4", None, "there is no such file"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"this is no video\n" * 50, "is "),
        ("junk.mp4", bytes(range(256)) * 40, "is not a video that can be opened"),
    ],
)
def test_what_is_no_video_is_an_input_error(tmp_path: Path, name: str, content: bytes | None, expected: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        opened(path)
    assert str(raised.value).startswith(f"{path}: {expected}")


def test_sound_alone_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="has no video stream"):
        opened(write_sound(tmp_path / "sound.m4a"))


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"img_{number:05d}.png"), picture(number)[:, :, ::-1])
    return folder


def test_a_folder_of_frames_gives_its_pictures_at_the_rate_that_is_asked_for(tmp_path: Path):
    folder = write_pictures(tmp_path / "frames", 4)
    with opened(f"{folder}?fps=10") as source:
        assert (source.live, source.frame_rate, source.duration_s) == (False, 10.0, 0.4)
        frames = list(source.frames())
    assert times(frames) == [0.0, 0.1, 0.2, 0.3]
    assert all(np.array_equal(rgb(c.frame), picture(number)) for number, c in enumerate(frames))


def test_a_picture_that_cannot_be_read_leaves_a_gap(tmp_path: Path):
    folder = write_pictures(tmp_path / "frames", 4)
    (folder / "img_00001.png").write_bytes(b"no picture")
    with opened(folder) as source:
        assert times(list(source.frames())) == [0.0, 0.08, 0.12]
        assert source.decode_errors == 1


def test_what_a_folder_of_frames_lacks_is_told(tmp_path: Path):
    folder = write_pictures(tmp_path / "frames", 4)
    for number, name in enumerate(("1.jpg", "2.jpg", "4.jpg")):
        cv2.imwrite(str(folder / name), picture(number)[:, :, ::-1])
        (folder / f"img_{number:05d}.png").unlink()
    (folder / "img_00003.png").unlink()
    whole = (folder / "4.jpg").read_bytes()
    (folder / "4.jpg").write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    with opened(folder) as source:
        assert source.notes == ("1 picture is missing by the numbers of the others: 3.jpg",)
        assert [captured.is_damaged for captured in source.frames()] == [False, False, True]
        assert source.notes[1:] == ("1 picture is damaged, of 3 read: 4.jpg (premature end of data segment)",)


def test_a_folder_without_a_readable_picture_is_an_input_error(tmp_path: Path):
    folder = write_pictures(tmp_path / "frames", 1)
    (folder / "img_00000.png").write_bytes(b"no picture")
    with opened(folder) as source, pytest.raises(InputError, match="is not a picture that can be read"):
        list(source.frames())


def test_an_empty_folder_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="is an empty folder"):
        opened(tmp_path)


def test_ffmpeg_prints_nothing_of_its_own(tmp_path: Path):
    clip = damage_packets(write_clip(tmp_path / "clip.mp4"), [5, 6, 20])
    code = (
        "import sys\n"
        "from tests.runtime.stream.sources.looking import frames_and_error, opened\n"
        "from pptsn.runtime.base.errors import InputError\n"
        "with opened(sys.argv[1]) as source: frames_and_error(source)\n"
        "try: opened('http://user:sesame@127.0.0.1:1/')\n"
        "except InputError: print('refused')\n"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code, str(clip)], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.shared
def test_every_odd_real_clip_gives_frames_or_one_error(shared_dir: Path):
    without_frames = set()
    for clip in sorted((shared_dir / "clips" / "decoders").iterdir()):
        try:
            with opened(clip) as source:
                frames, error = [], None
                for captured in source.frames():
                    frames.append(captured.pts_s)
                    if len(frames) == 40:
                        break
        except InputError as refused:
            error = refused
            without_frames.add(clip.name)
            assert str(error).startswith(f"{clip}: "), error
        else:
            assert frames, clip
            assert frames == sorted(frames), clip
    assert without_frames == {
        "exo_invalid-bitstream.webm",
        "exo_sample_ac3.mp4",
        "moviepy_crunching.mp3",
        "nestegg_bug1480003.webm",
        "nestegg_detodos.webm",
    }


@pytest.mark.parametrize("lost", [0, 1, 5, 30])
def test_packets_of_which_a_transport_stream_lacks_a_part_are_counted_as_lost(lost: int, tmp_path: Path) -> None:
    """Of HEVC, whose decoder marks no damage."""
    options = {"x265-params": "log-level=none:keyint=100:bframes=0", "crf": "4"}
    path = write_clip(tmp_path / "a.ts", frames=40, width=192, height=128, codec="libx265", options=options)
    data, places = path.read_bytes(), packet_places(path)
    for offset, _ in places[6 : lost + 6][::-1]:
        data = data[: offset + 188] + data[offset + 2 * 188 :]
    path.write_bytes(data)
    with opened(path) as source:
        assert len(list(source.frames())) == 40
        assert source.decode_errors == lost
