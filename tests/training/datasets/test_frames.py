"""`pptsn data frames`: every frame as our decoding gives it, whole folders or none, whatever stops it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.frames.preprocess import resize_frame
from pptsn.runtime.video import ImageFolderReader
from pptsn.training.datasets import extraction
from tests.clips import ORIENTATIONS, decode_plainly, turn_mp4, write_clip
from tests.disks import small_disk

ROOT = Path(__file__).resolve().parents[3]


def jpeg(rgb: np.ndarray, quality: int = 95) -> bytes:
    _, data = cv2.imencode(".jpg", rgb[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def write_list(folder: Path, *lines: str) -> Path:
    path = folder / "train_videos.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A data set of three clips in two classes."""
    for name, frames in (("a/one.mp4", 30), ("a/two.mkv", 7), ("b/one.mp4", 5)):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "videos" / name, frames=frames)
    turn_mp4(tmp_path / "videos" / "b" / "one.mp4", ORIENTATIONS["clockwise"])
    write_list(tmp_path, "a/one.mp4 0", "b/one.mp4 1", "a/two.mkv 0", "a/one.mp4 0")
    return tmp_path / "videos"


def extract(run, videos: Path, *more: object):
    listed = videos.parent / "train_videos.txt"
    return run("data", "frames", listed, "--prefix", videos, "-o", videos.parent / "out", *more)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("decoders", [0, 2])
def test_every_frame_is_there_as_it_is_decoded(run, tmp_path: Path, videos: Path, decoders: int) -> None:
    ending = extract(run, videos, "--decoders", decoders)
    assert (ending.code, ending.err) == (0, "")
    out = tmp_path / "out"
    expected = {
        f"{name}/img_{number:05}.jpg": jpeg(pixels)
        for name in ("a/one.mp4", "b/one.mp4", "a/two.mkv")
        for number, pixels in enumerate(decode_plainly(videos / name), 1)
    }
    assert len(expected) == 42
    found = content(out)
    lines = found.pop("train_rawframes.txt").decode()
    assert lines == "a/one.mp4 30 0\nb/one.mp4 5 1\na/two.mkv 7 0\na/one.mp4 30 0\n"
    assert found.pop("frames.json")
    assert found == expected
    assert f"{out / 'train_rawframes.txt'}: 3 of 3 videos (0 were there), 42 frames; 4 lines" in ending.out


def test_a_recipe_reads_what_was_written(run, tmp_path: Path, videos: Path) -> None:
    extract(run, videos)
    samples = read_list(tmp_path / "out" / "train_rawframes.txt", format="frames", classes=2)
    assert [(sample.frames, sample.label) for sample in samples] == [(30, 0), (5, 1), (7, 0), (30, 0)]
    assert ImageFolderReader(samples[1].path).decode_all() == 5


def test_frames_are_resized_where_asked(run, tmp_path: Path, videos: Path) -> None:
    assert extract(run, videos, "--short-side", 32, "--quality", 80).code == 0
    pixels = next(iter(decode_plainly(videos / "a" / "one.mp4")))
    expected = jpeg(resize_frame(pixels, short_side=32, rule="keep_aspect"), quality=80)
    assert (tmp_path / "out" / "a" / "one.mp4" / "img_00001.jpg").read_bytes() == expected


def test_the_same_command_goes_on_and_leaves_what_is_there(run, tmp_path: Path, videos: Path) -> None:
    extract(run, videos)
    before = content(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "b")
    kept = (tmp_path / "out" / "a" / "one.mp4" / "img_00001.jpg").stat().st_mtime_ns
    ending = extract(run, videos)
    assert "3 of 3 videos (2 were there), 42 frames" in ending.out
    assert content(tmp_path / "out") == before
    assert (tmp_path / "out" / "a" / "one.mp4" / "img_00001.jpg").stat().st_mtime_ns == kept


def test_other_settings_and_folders_of_others_are_refused(run, tmp_path: Path, videos: Path) -> None:
    extract(run, videos)
    before = content(tmp_path / "out")
    ending = extract(run, videos, "--short-side", 32)
    assert ending.code == 2
    assert "holds frames that were extracted otherwise (frames.json says how)" in ending.err
    (tmp_path / "out" / "frames.json").unlink()
    ending = extract(run, videos)
    assert ending.code == 2
    assert "holds a/one.mp4, which was not extracted by this command" in ending.err
    assert content(tmp_path / "out") == {name: data for name, data in before.items() if name != "frames.json"}


def test_a_folder_with_gaps_is_told_rather_than_listed(run, tmp_path: Path, videos: Path) -> None:
    extract(run, videos)
    (tmp_path / "out" / "a" / "one.mp4" / "img_00003.jpg").unlink()
    ending = extract(run, videos)
    assert ending.code == 1
    assert "frame number 3 is missing; remove it to have it extracted again" in ending.err
    assert "a/one.mp4" not in (tmp_path / "out" / "train_rawframes.txt").read_text()


@pytest.mark.parametrize("decoders", [0, 2])
def test_a_video_that_cannot_be_read_is_named_and_left_out(
    run, tmp_path: Path, videos: Path, decoders: int
) -> None:
    (videos / "a" / "two.mkv").write_bytes(b"no video")
    (videos / "b" / "one.mp4").unlink()
    ending = extract(run, videos, "--decoders", decoders)
    assert ending.code == 1
    errors = [line for line in ending.err.splitlines() if line.startswith("pptsn: error: ")]
    assert [str(videos / "b" / "one.mp4") in errors[0], str(videos / "a" / "two.mkv") in errors[1]] == [True, True]
    assert (tmp_path / "out" / "train_rawframes.txt").read_text() == "a/one.mp4 30 0\na/one.mp4 30 0\n"
    assert not (tmp_path / "out" / "a" / "two.mkv").exists()


def test_without_any_video_there_is_no_list(run, tmp_path: Path, videos: Path) -> None:
    shutil.rmtree(videos)
    assert extract(run, videos).code == 1
    assert not (tmp_path / "out" / "train_rawframes.txt").exists()


@pytest.mark.parametrize("stored", [0, 1])
def test_what_stored_nothing_binds_nobody_to_its_settings(run, tmp_path: Path, videos: Path, stored: int) -> None:
    names = ["a/one.mp4 0"] * stored or ["missing.mp4 0"]
    write_list(tmp_path, *names)
    assert extract(run, videos, "--quality", 80).code == 1 - stored
    write_list(tmp_path, "a/one.mp4 0")
    ending = extract(run, videos, "--quality", 90)
    assert (ending.code, "extracted otherwise" in ending.err) == (2 * stored, bool(stored))


@pytest.mark.parametrize("at_work", [False, True])
def test_another_extraction_at_work_binds_to_its_settings_before_its_first_clip(
    run, tmp_path: Path, videos: Path, *, at_work: bool
) -> None:
    write_list(tmp_path, "missing.mp4 0")
    extract(run, videos, "--quality", 80)
    write_list(tmp_path, "a/one.mp4 0")
    with temporary_folder(tmp_path / "out" / "one.mp4") if at_work else nullcontext():
        ending = extract(run, videos, "--quality", 90)
    assert (ending.code, "extracted otherwise" in ending.err) == (2 * at_work, at_work)


@pytest.mark.parametrize("line", ["/etc/x.mp4 0", "../x.mp4 0", "a/../../x.mp4 0", ". 0"])
def test_what_lies_elsewhere_is_refused(run, tmp_path: Path, videos: Path, line: str) -> None:
    write_list(tmp_path, line)
    ending = extract(run, videos)
    assert ending.code == 2
    assert "does not lie in" in ending.err
    assert not (tmp_path / "out").exists()


def test_a_list_is_not_written_over(run, tmp_path: Path, videos: Path) -> None:
    listed = videos / "some.list"
    listed.write_text("a/one.mp4 0\n")
    ending = run("data", "frames", listed, "-o", videos)
    assert ending.code == 2
    assert "is an input as well" in ending.err
    assert listed.read_text() == "a/one.mp4 0\n"


def test_a_full_disk_ends_it_in_a_line_and_leaves_whole_folders_alone(
    run, tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes
    written: list[Path] = []

    def full_at_last(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 32:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_at_last)
    ending = extract(run, videos, "--decoders", 0)
    assert ending.code == 1
    assert len(ending.err.splitlines()) == 1
    assert "out/b/one.mp4: cannot be written (No space left on device); choose a writable place" in ending.err
    assert set(content(tmp_path / "out")) == {
        "frames.json",
        *(f"a/one.mp4/img_{n:05}.jpg" for n in range(1, 31)),
    }
    monkeypatch.undo()
    assert "3 of 3 videos (1 were there)" in extract(run, videos, "--decoders", 0).out


@pytest.fixture(name="small_disk")
def small_disk_of_128_kb(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", kilobytes=128) as place:
        yield place


def test_a_disk_that_is_full_in_a_decoder_is_a_line_too(
    run, small_disk: Path, tmp_path: Path, videos: Path
) -> None:
    listed = tmp_path / "train_videos.txt"
    ending = run("data", "frames", listed, "--prefix", videos, "-o", small_disk, "--decoders", 2)
    assert ending.code == 1
    assert ending.err.splitlines()[-1].endswith(
        "cannot be written (No space left on device); choose a writable place with room"
    )
    whole = {"a/one.mp4": 30, "a/two.mkv": 7, "b/one.mp4": 5}
    for name, frames in whole.items():
        if (small_disk / name).exists():
            assert len(list((small_disk / name).iterdir())) == frames
    assert not (small_disk / "train_rawframes.txt").exists()


def test_a_killed_extraction_leaves_whole_folders_and_goes_on(run, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for number in range(12):
        write_clip(videos / f"{number:02}.mp4", frames=20)
    listed = write_list(tmp_path, *(f"{number:02}.mp4 0" for number in range(12)))
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "pptsn",
        "data",
        "frames",
        str(listed),
        "--prefix",
        str(videos),
        "-o",
        str(out),
    ]
    process = subprocess.Popen([*command, "--decoders", "2"], cwd=ROOT, start_new_session=True)
    begun = time.monotonic()
    while not list(out.glob("*.mp4")) and process.poll() is None and time.monotonic() - begun < 60:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for folder in out.glob("*.mp4"):
        assert sorted(path.name for path in folder.iterdir()) == [f"img_{n:05}.jpg" for n in range(1, 21)]
    ending = run(*command[3:])
    assert ending.code == 0
    assert {path.name for path in out.iterdir()} == {
        "frames.json",
        "train_rawframes.txt",
        *(f"{number:02}.mp4" for number in range(12)),
    }, "nothing of the killed one is left"


@pytest.mark.shared
def test_real_clips_have_all_their_frames_to_the_byte(run, tmp_path: Path, shared_dir: Path) -> None:
    clips = sorted((shared_dir / "clips" / "actions").rglob("*.mp4"), key=lambda path: path.stat().st_size)[:3]
    listed = write_list(tmp_path, *(f"{clip.relative_to(shared_dir)} 0" for clip in clips))
    assert run("data", "frames", listed, "--prefix", shared_dir, "-o", tmp_path / "out").code == 0
    for clip in clips:
        folder = tmp_path / "out" / clip.relative_to(shared_dir)
        expected = [jpeg(pixels) for pixels in decode_plainly(clip)]
        assert [path.read_bytes() for path in sorted(folder.iterdir())] == expected
        assert expected


def test_a_list_of_videos_and_that_of_their_frames_have_the_published_names() -> None:
    assert extraction._list_name(Path("x/ucf101_val_split_2_videos.txt")) == "ucf101_val_split_2_rawframes.txt"
    assert extraction._list_name(Path("x/train.list")) == "train.list"


def test_what_another_decoder_was_in_the_midst_of_goes_with_the_failure(
    run, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One decoder fails, the others are killed then; a hidden folder as of one that is gone stands for theirs."""
    half = videos.parent / "out" / "a" / ".two.mkv.tmp-1-00000000"

    def failing(*_: object, **__: object) -> Iterator[extraction.Extracted]:
        half.mkdir(parents=True)
        (half / "img_00001.jpg").touch()
        yield extraction.Extracted(Path("b/one.mp4"), frames=5)
        raise InputError(videos, "cannot be written (no space left on device)", "choose a place with room")

    monkeypatch.setattr(extraction, "in_parallel", failing)
    assert extract(run, videos).code == 1
    assert not half.exists()
