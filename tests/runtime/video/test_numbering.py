"""Pictures that are missing among numbered ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video import open_video
from pptsn.runtime.video.numbering import Missing, missing_among
from tests.clips import picture

_FRAMES = 60
_NAMES: dict[str, Callable[[int], str]] = {
    "a name and a number": lambda number: f"frame_{number:04d}.jpg",
    "a number alone": lambda number: f"{number:06d}.png",
    "numbers of any width": lambda number: f"image-{number}.jpeg",
    "every fifth frame": lambda number: f"f{5 * number}.jpg",
    "a size after it": lambda number: f"frame_{number:04d}_640x480.jpg",
    "a clip before it": lambda number: f"clip_3_{number:04d}.bmp",
    "a day before it": lambda number: f"20240131_{number:03d}.webp",
    "milliseconds after it": lambda number: f"{number:05d}_{number * 1000 // 30}.jpg",
}


@pytest.mark.parametrize("lost", [0, 1, 3, 20, 50])
@pytest.mark.parametrize("name_of", _NAMES.values(), ids=_NAMES)
def test_missing_numbers_are_counted_and_named(name_of: Callable[[int], str], lost: int) -> None:
    gone = sorted(np.random.default_rng(lost).permutation(range(2, _FRAMES - 1))[:lost].tolist())
    names = [name_of(number) for number in range(_FRAMES) if number not in gone]
    found = missing_among(names, named=3)
    assert found.count == lost
    if "millisecond" not in name_of(0) and "_0." not in name_of(0):
        assert found.first == tuple(name_of(number) for number in gone[:3])


def test_each_row_of_a_folder_is_looked_at() -> None:
    names = [f"{camera}_{number}.jpg" for camera in ("left", "right") for number in range(9)]
    names += [f"v{take}_{number:03d}.jpg" for take in (1, 2) for number in range(5, 20)]
    for gone in ("left_4.jpg", "right_7.jpg", "v2_011.jpg"):
        names.remove(gone)
    found = missing_among(names, named=5)
    assert (found.count, sorted(found.first)) == (3, ["left_4.jpg", "right_7.jpg", "v2_011.jpg"])


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["1.jpg"],
        ["b.jpg", "a.jpg"],
        [f"{1_000 * frame // 30:06d}.jpg" for frame in range(50)],
        [f"{1403636579763555584 + 50_000_000 * frame + 128 * (frame % 3)}.png" for frame in range(50)],
        [
            f"cam_20240131_{17 + second // 3600}{second // 60 % 60:02d}{second % 60:02d}.jpg"
            for second in range(0, 200, 10)
        ],
        [f"cam_202401311759{second:02d}.jpg" for second in range(50, 60)]
        + [f"cam_202401311800{second:02d}.jpg" for second in range(9)],
        *(
            [
                f"cam {2026 + day // 28}{sign}{day % 12 + 1:02d}{sign}{day % 28 + 1:02d}{time}.jpg"
                for day in (0, 1, 2, 5, 9, 30)
            ]
            for sign in "-_."
            for time in ("", "T09-30-00", "_09.30")
        ),
        [f"2026-11-27_09-{30 + minute}-{7 * minute:02d}.jpg" for minute in range(8)],
        [f"{number}.jpg" for number in np.random.default_rng(0).integers(0, 1_000_000, 50)],
    ],
)
def test_what_counts_no_frames_lacks_none(names: list[str]) -> None:
    assert missing_among(names, named=5) == Missing(0, ())


def test_frames_numbered_beside_a_written_date_are_counted() -> None:
    names = [f"2026-11-{day}_09-30-00_{number:04d}.jpg" for day in (26, 27) for number in range(9)]
    names.remove("2026-11-27_09-30-00_0004.jpg")
    assert missing_among(names, named=5) == Missing(1, ("2026-11-27_09-30-00_0004.jpg",))


def _write(folder: Path, names: list[str]) -> None:
    folder.mkdir()
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(number)[:, :, ::-1])


def test_a_folder_tells_what_it_lacks_and_goes_on(tmp_path: Path) -> None:
    _write(tmp_path / "f", [f"frame_{number:04d}.png" for number in range(1, 20) if number not in (5, 6, 11)])
    with open_video(tmp_path / "f") as video:
        assert video.frame_count() == 16
        assert video.warnings == [
            "3 pictures are missing by the numbers of the others: frame_0005.png, frame_0006.png, frame_0011.png"
        ]


def test_missing_numbered_frames_are_counted_in_the_error(tmp_path: Path) -> None:
    _write(tmp_path / "f", [f"img_{number:05d}.png" for number in (1, 4, 9)])
    with pytest.raises(InputError, match="frame numbers 2, 3, 5, 6, 7 and 1 more are missing"):
        open_video(tmp_path / "f")


@pytest.mark.parametrize("damaged", [0, 1, 5, 11, 12])
def test_damaged_pictures_of_a_folder_are_told_and_nothing_else_is_printed(
    damaged: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "f", [f"{number}.jpg" for number in range(12)])
    for number in range(damaged):
        file = tmp_path / "f" / f"{number}.jpg"
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    with open_video(tmp_path / "f") as video:
        video.decode_all()
        assert (video.damage.damaged, video.damage.is_nearly_all) == (damaged, damaged > 10)
        told = "; ".join(video.warnings)
    assert told.startswith(f"{damaged} picture" if damaged else ""), told
    assert ("of 12 read: 0.jpg (premature end of data segment)" in told) == (damaged > 0)
    assert capfd.readouterr() == ("", "")
