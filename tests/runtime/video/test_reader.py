"""What a reader promises of any source: order, times, sampling, transforms, upright pictures, closing."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.video import ImageFolderReader, Restart, VideoFrame, VideoReader, open_video
from pptsn.runtime.video import reader as reader_module
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.video.upright import upright
from tests.clips import ORIENTATIONS, decode_plainly, picture, turn_mp4, write_clip, write_joined

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module", params=["a.mp4", "a.h264"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that is read by seeking, and the same without timestamps."""
    return write_clip(tmp_path_factory.mktemp("clips") / request.param)


def test_frames_come_in_the_order_asked_for_and_repeats_are_the_same_object(clip: Path) -> None:
    with open_video(clip) as video:
        frames = video.read([40, 3, 3, 17, 40])
    assert [frame.index for frame in frames] == [40, 3, 3, 17, 40]
    assert frames[1] is frames[2]
    assert frames[0] is frames[4]


def test_pixels_are_contiguous_rgb_near_what_was_drawn(clip: Path) -> None:
    with open_video(clip) as video:
        frame = video.read([20])[0]
    assert (frame.pixels.shape, frame.pixels.dtype) == ((64, 96, 3), np.uint8)
    assert frame.pixels.flags.c_contiguous
    assert np.abs(frame.pixels.astype(int) - picture(20)).mean() < 25
    assert frame.source == str(clip)


def test_frames_carry_their_presentation_time(tmp_path: Path) -> None:
    times = [40 * i + 17 * (i % 3) for i in range(48)]
    with open_video(write_clip(tmp_path / "a.mp4", times=times)) as video:
        asked = [0, 13, 14, 46, 47]
        expected = [times[i] / 400 for i in asked]
        assert [frame.pts_s for frame in video.read(asked)] == pytest.approx(expected, abs=1e-4)
        assert [frame.pts_s for frame in video.frames()] == pytest.approx([t / 400 for t in times], abs=1e-4)
    with open_video(write_clip(tmp_path / "a.h264")) as video:
        assert video.read([3])[0].pts_s is None


def test_durations_come_from_the_file(tmp_path: Path) -> None:
    with open_video(write_clip(tmp_path / "a.mp4")) as video:
        assert video.duration_s() == pytest.approx(48 / 25, abs=0.1)
    with open_video(write_clip(tmp_path / "a.h264")) as video:
        assert video.duration_s() is None


def test_sequential_reading_yields_every_frame(clip: Path) -> None:
    with open_video(clip) as video:
        frames = list(video)
    for frame, expected in zip(frames, decode_plainly(clip), strict=True):
        np.testing.assert_array_equal(frame.pixels, expected)
    assert [frame.index for frame in frames] == list(range(48))


def test_sampling_gives_the_frames_that_the_rule_chooses(clip: Path) -> None:
    counts: list[int] = []

    def choose(count: int) -> list[int]:
        counts.append(count)
        return centre_indices(count, 5)

    with open_video(clip) as video:
        frames = video.read_sampled(choose)
    assert counts == [48]
    assert [frame.index for frame in frames] == centre_indices(48, 5)


def test_a_frame_is_given_before_the_next_one_is_made(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = PictureMaker.make

    def noting(self: PictureMaker, frame: av.VideoFrame, index: int) -> VideoFrame:
        made.append(index)
        return make(self, frame, index)

    monkeypatch.setattr(PictureMaker, "make", noting)
    with open_video(clip) as video:
        for frame in video.sampled(lambda count: [3, 20, 30]):
            assert isinstance(frame, VideoFrame)
            assert made[-1] == frame.index
        assert made == [3, 20, 30]


def test_a_wrong_guess_of_the_count_lets_the_frames_come_anew(tmp_path: Path) -> None:
    path = _without_its_first_key_frame(write_clip(tmp_path / "a.h264"))
    last = len(list(decode_plainly(path))) - 1
    with open_video(path) as video:
        items = list(video.sampled(lambda count: [0, count - 1]))
    assert [item.index if isinstance(item, VideoFrame) else item for item in items] == [0, Restart(), 0, last]


def test_no_decoded_picture_outlives_its_frame(clip: Path) -> None:
    """A picture that waited for Python's collector would cost 3 MB at 1080p, and a clip gives 25."""

    def pictures() -> int:
        return sum(isinstance(item, av.VideoFrame) for item in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = pictures()
        with open_video(clip) as video:
            frames = video.read(range(0, 48, 4), transform=lambda pixels: pixels[:2].copy())
        assert len(frames) == 12
        assert pictures() == before
    finally:
        gc.enable()


def test_a_transform_is_applied_to_each_picked_frame_at_once(clip: Path) -> None:
    def shrink(pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(pixels[::4, ::4])

    with open_video(clip) as video:
        plain, shrunk = video.read([7, 30]), video.read([7, 30], transform=shrink)
    for one, other in zip(plain, shrunk, strict=True):
        np.testing.assert_array_equal(shrink(one.pixels), other.pixels)
        assert (one.index, one.pts_s) == (other.index, other.pts_s)


def test_the_count_after_a_read_by_seeking_costs_no_further_decode(tmp_path: Path) -> None:
    with VideoReader(write_clip(tmp_path / "a.mp4")) as video:
        video.read_sampled(lambda count: [count // 2])
        before = (video.effort.packets, video.effort.runs)
        assert before[1] == 1
        assert video.frame_count() == 48
        assert (video.effort.packets, video.effort.runs) == before
        assert video.seeks


def test_a_file_whose_count_is_guessed_right_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = _count_passes(monkeypatch)
    with open_video(write_clip(tmp_path / "a.h264")) as video:
        video.read_sampled(lambda count: [0, count - 1])
        assert video.frame_count() == 48
    assert passes == [([0, 47], True)]


def test_a_wrong_guess_costs_a_second_decode_and_gives_the_right_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = _count_passes(monkeypatch)
    path = _without_its_first_key_frame(write_clip(tmp_path / "a.h264"))
    expected = list(decode_plainly(path))
    assert 0 < len(expected) < 48
    with open_video(path) as video:
        frames = video.read_sampled(lambda count: [0, count - 1])
    assert [frame.index for frame in frames] == [0, len(expected) - 1]
    np.testing.assert_array_equal(frames[1].pixels, expected[-1])
    assert passes == [([0, 46], True), ([0, len(expected) - 1], False)]


def _without_its_first_key_frame(path: Path) -> Path:
    """Take away what the decoder needs to show the first group of pictures."""
    data = path.read_bytes()
    path.write_bytes(data[data.index(b"\0\0\1\x41") - 1 :])
    return path


def _count_passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], object]]:
    """Return a list that grows by each pass: the frames wanted, and whether it goes on to the end of the file."""
    passes: list[tuple[list[int], object]] = []
    pick = reader_module.pick_frames

    def counting(path: Path, wanted: list[int], findings: object, **options: object) -> object:
        passes.append((list(wanted), options["whole"]))
        return pick(path, wanted, findings, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "pick_frames", counting)
    return passes


@pytest.mark.parametrize("index", [-1, 48, 1000])
def test_an_index_outside_the_video_is_a_usage_error(clip: Path, index: int) -> None:
    with open_video(clip) as video:
        assert video.frame_count() == 48
        with pytest.raises(UsageError, match=f"frame {index} was asked for, expected 0 to 47"):
            video.read([3, index])


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.h264"):
        with open_video(write_clip(tmp_path / name, frames=1)) as video:
            assert video.frame_count() == 1
            assert [frame.index for frame in video.read_sampled(lambda n: [0] * 25)] == [0] * 25


def test_odd_and_tiny_sizes_are_read(tmp_path: Path) -> None:
    for width, height in ((1, 1), (33, 17), (2, 128)):
        path = write_clip(tmp_path / "a.mp4", width=width, height=height, pix_fmt="yuv444p", frames=5)
        with open_video(path) as video:
            pixels = video.read([4])[0].pixels
        assert pixels.shape == (height, width, 3)
        np.testing.assert_array_equal(pixels, list(decode_plainly(path))[4])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_frames_stand_upright(orientation: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=3)
    with open_video(path) as video:
        stored = video.read([1])[0].pixels
    a, b, c, d = ORIENTATIONS[orientation]
    turn_mp4(path, (a, b, c, d))
    with open_video(path) as video:
        shown = video.read([1])[0].pixels
    # The pixel at (x, y) is shown at (a*x + c*y, b*x + d*y), moved so that the picture begins at (0, 0).
    y, x = np.mgrid[0:64, 0:96]
    shown_x, shown_y = a * x + c * y, b * x + d * y
    expected = np.zeros_like(shown)
    expected[shown_y - shown_y.min(), shown_x - shown_x.min()] = stored
    np.testing.assert_array_equal(shown, expected)
    assert shown.flags.c_contiguous
    if orientation in ("clockwise", "counterclockwise", "half turn"):
        np.testing.assert_array_equal(shown, list(decode_plainly(path))[1])


def test_an_upright_picture_is_not_copied() -> None:
    pixels = picture(0)
    assert upright(pixels, (65536, 0, 0, 65536)) is pixels


def test_a_size_change_on_the_way_is_read_and_told(tmp_path: Path) -> None:
    path = write_joined(tmp_path / "a.h264", (96, 64), (64, 48))
    with open_video(path) as video:
        frames = video.read([3, 20])
        assert [frame.pixels.shape for frame in frames] == [(64, 96, 3), (48, 64, 3)]
        assert video.warnings == ["the picture size changes on the way"]
        assert video.lost_frames == 0


def test_closing_twice_is_fine_and_reading_then_is_not(clip: Path) -> None:
    video = open_video(clip)
    video.close()
    video.close()
    with pytest.raises(ValueError, match="closed"):
        video.read([0])


def test_the_package_is_imported_without_pyav() -> None:
    code = "import sys, pptsn.runtime.video; print([m for m in ('av', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(number)[:, :, ::-1])


def test_a_folder_of_numbered_pictures_is_a_video(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", [f"img_{number:05}.png" for number in range(1, 13)])
    (tmp_path / "f" / "notes.txt").write_text("not a picture")
    with open_video(tmp_path / "f") as video:
        assert isinstance(video, ImageFolderReader)
        assert (video.frame_count(), video.duration_s(), video.lost_frames) == (12, None, 0)
        frames = video.read([11, 2, 2])
        assert frames[1] is frames[2]
        for frame in frames:
            np.testing.assert_array_equal(frame.pixels, picture(frame.index))
            assert (frame.pts_s, frame.source) == (None, str(tmp_path / "f"))
        assert [f.index for f in video.read_sampled(lambda n: [0, n - 1], transform=lambda p: p[:2])] == [0, 11]
        assert [frame.index for frame in video] == list(range(12))
        with pytest.raises(UsageError, match="frame 12 was asked for, expected 0 to 11"):
            video.read([12])


def test_numbers_decide_the_order_of_pictures(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", [f"img_{number}.png" for number in (9, 10, 8)])
    with open_video(tmp_path / "f") as video:
        for frame, drawn in zip(video.read([0, 1, 2]), (2, 0, 1), strict=True):
            np.testing.assert_array_equal(frame.pixels, picture(drawn))


def test_pictures_without_numbers_go_by_name(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["c.png", "a.png", "b.png"])
    with open_video(tmp_path / "f") as video:
        np.testing.assert_array_equal(video.read([0])[0].pixels, picture(1))


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        ([], "is an empty folder"),
        (["img_00001.png", "img_00003.png"], "frame number 2 is missing"),
        (["img_00001.png", "img_1.png"], r"img_0*1\.png and img_0*1\.png have the same number"),
        (["img_1.png", "img_1.jpg"], r"img_1\.(jpg|png) and img_1\.(jpg|png) have the same number"),
    ],
)
def test_a_folder_that_is_no_video_is_refused(names: list[str], cause: str, tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", names)
    with pytest.raises(InputError, match=cause):
        open_video(tmp_path / "f")


def test_a_folder_of_other_files_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="is a folder without pictures"):
        open_video(tmp_path)


@pytest.mark.parametrize("suffix", ["tif", "TIFF", "avif", "heic", "ppm", "jp2", "jxl"])
@pytest.mark.parametrize("count", [1, 4, 30])
def test_a_folder_of_pictures_that_are_not_read_is_told_as_one(tmp_path: Path, suffix: str, count: int) -> None:
    for number in range(count):
        (tmp_path / f"img_{number:05}.{suffix}").touch()
    with pytest.raises(InputError, match="holds no pictures of a kind that is read") as refused:
        open_video(tmp_path)
    assert f"({count} file{'s' if count > 1 else ''}: img_00000.{suffix}" in str(refused.value)
    assert str(refused.value).endswith("; convert them to JPEG or PNG")
    assert len(str(refused.value)) < 300 + len(str(tmp_path))


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_00001.png"])
    (tmp_path / "f" / "img_00002.png").write_bytes(b"no picture")
    with open_video(tmp_path / "f") as video, pytest.raises(InputError, match=r"img_00002\.png: is not a picture"):
        video.read([1])


def test_numbers_in_other_names_count_as_numbers(tmp_path: Path) -> None:
    names = ["frame1.png", "frame10.png", "frame2.png", "frame.png", "9 lives.png"]
    _write_pictures(tmp_path / "f", names)
    with open_video(tmp_path / "f") as video:
        for frame, drawn in zip(video.frames(), (4, 3, 0, 2, 1), strict=True):
            np.testing.assert_array_equal(frame.pixels, picture(drawn), err_msg=names[drawn])
        assert [warning[:22] for warning in video.warnings] == ["7 pictures are missing"], "3 to 9"


def test_pictures_that_are_left_aside_are_told(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_00001.png", "cover.png"])
    with open_video(tmp_path / "f") as video:
        assert video.frame_count() == 1
        assert video.warnings == ["1 picture without a number (img_00001.jpg) is ignored: cover.png"]
    _write_pictures(tmp_path / "f", ["img_00001.png", "cover.png", "img_2.bmp"])
    with open_video(tmp_path / "f") as video:
        assert video.warnings == ["2 pictures without a number (img_00001.jpg) are ignored: cover.png, img_2.bmp"]


@pytest.mark.parametrize("count", [0, 1, 2, 8])
def test_other_files_beside_pictures_are_counted_and_named(count: int, tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_00001.png", "img_00002.png"])
    others = ["label.txt", "img_00003.tif", "a.gif", *(f"z{number}.txt" for number in range(5))][:count]
    for name in (*others, ".complete", "Thumbs.db"):
        (tmp_path / "f" / name).write_bytes(b"?")
    with open_video(tmp_path / "f") as video:
        assert video.frame_count() == 2
        told = "; ".join(video.warnings)
    assert told.startswith(f"{count} other file" if count else "")
    assert bool(told) is bool(count)
    assert [name in told for name in sorted(others)[:5]] == [True] * min(count, 5)
    assert ("and 3 more" in told) is (count == 8)


def test_a_picture_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    coded = cv2.imencode(".png", picture(3)[:, :, ::-1])[1]
    (folder / "img_1.png").write_bytes(coded.tobytes())
    code = "import os, sys, pptsn.runtime.video as v; print(v.open_video(sys.argv[1]).read([0])[0].pixels.shape)"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "(64, 96, 3)"), done.stderr


def test_a_picture_of_absurd_size_is_refused_in_one_line(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_1.png"])
    data = bytearray((tmp_path / "f" / "img_1.png").read_bytes())
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "f" / "img_1.png").write_bytes(data)
    with open_video(tmp_path / "f") as video:
        with pytest.raises(InputError, match=r"img_1\.png: has a picture of 60000 x 60000") as caught:
            video.read_sampled(lambda _: [0])
        assert "\n" not in str(caught.value)


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_1.png", "img_2.png"])
    with open_video(tmp_path / "f") as video:
        (tmp_path / "f" / "img_2.png").unlink()
        with pytest.raises(InputError, match=r"img_2\.png: .*no such file"):
            list(video.frames())


def _with_exif(jpeg: bytes, orientation: int, preview: bytes = b"") -> bytes:
    """Return `jpeg` with a header that says how the camera was held, and `preview` behind it."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + bytes([orientation, 0, 0, 0, 0, 0, 0, 0])
    segment = exif + preview
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + jpeg[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_opencv_shows_them(orientation: int, tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", picture(1))[1].tobytes()
    path = tmp_path / "img_1.jpg"
    path.write_bytes(_with_exif(jpeg, orientation))
    shown = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == ((64, 96, 3) if orientation < 5 else (96, 64, 3))
    with open_video(tmp_path) as video:
        np.testing.assert_array_equal(video.read([0])[0].pixels, shown[:, :, ::-1])
        assert video.warnings == []


def test_a_jpeg_that_is_cut_short_is_used_and_told(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", picture(1, width=256, height=256))[1].tobytes()
    preview = cv2.imencode(".jpg", picture(1, width=16, height=16))[1].tobytes()
    files = [jpeg, jpeg[: len(jpeg) // 2], _with_exif(jpeg, 1, preview)[: -len(jpeg) // 2], jpeg + b"\0" * 9000]
    for number, data in enumerate(files):
        (tmp_path / f"img_{number}.jpg").write_bytes(data)
    with open_video(tmp_path) as video:
        assert (video.lost_frames, video.warnings) == (0, [])
        for frame in video.read([0, 1, 3]):
            shown = cv2.imread(str(tmp_path / f"img_{frame.index}.jpg"), cv2.IMREAD_COLOR)
            assert shown is not None
            np.testing.assert_array_equal(frame.pixels, shown[:, :, ::-1])
        assert (video.lost_frames, video.warnings) == (1, ["1 picture is cut short, of 3 read"])
        video.read([1, 2])
        assert (video.lost_frames, video.warnings) == (2, ["2 pictures are cut short, of 4 read"])


def test_a_stop_ends_the_reading_of_pictures(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_1.png", "img_2.png", "img_3.png"])
    stop = threading.Event()
    seen: list[object] = []

    def interrupt(pixels: Pixels) -> Pixels:
        seen.append(pixels)
        stop.set()
        return pixels

    with open_video(tmp_path / "f") as video:
        with pytest.raises(InputError, match="f: reading was stopped"):
            video.read_sampled(range, transform=interrupt, stop=stop)
        assert len(seen) == 1
        stop.clear()
        assert len(video.read_sampled(range, stop=stop)) == 3


def test_a_closed_folder_gives_no_frames(tmp_path: Path) -> None:
    _write_pictures(tmp_path / "f", ["img_00001.png"])
    video = open_video(tmp_path / "f")
    video.close()
    video.close()
    with pytest.raises(ValueError, match="closed"):
        video.read([0])


def test_frames_are_frozen(clip: Path) -> None:
    frame = VideoReader(clip).read([0])[0]
    assert isinstance(frame, VideoFrame)
    with pytest.raises(AttributeError):
        frame.index = 3  # type: ignore[misc]
