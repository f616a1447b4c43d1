import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.dataset import ClipSettings, clip_crops
from tests.training.clips import counting_clip, counting_folder, frame_numbers, level_frame

SETTINGS = ClipSettings(num_seg=4, short_side=32, crop_size=24)


def test_validation_takes_the_centre_frames(tmp_path: Path) -> None:
    clip = counting_clip(tmp_path / "clip.mp4", frames=20)
    crops = clip_crops(Sample(str(clip), 0), mode="val", settings=SETTINGS)
    assert (crops.shape, crops.dtype) == ((4, 24, 24, 3), np.uint8)
    assert frame_numbers(crops) == [2, 7, 12, 17]


def test_training_draws_a_frame_of_each_part_by_its_key_alone(tmp_path: Path) -> None:
    sample = Sample(str(counting_clip(tmp_path / "clip.mp4", frames=20)), 0)

    def numbers(*key: int) -> list[int]:
        return frame_numbers(clip_crops(sample, mode="train", settings=SETTINGS, key=key))

    draws = [numbers(0, 0, index) for index in range(12)]
    assert all([number // 5 for number in draw] == [0, 1, 2, 3] for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 6
    assert draws[3] == numbers(0, 0, 3)
    assert numbers(0, 1, 3) != numbers(0, 0, 3) or numbers(1, 0, 3) != numbers(0, 0, 3)


def test_a_clip_shorter_than_its_segments_repeats_its_first_frame(tmp_path: Path) -> None:
    sample = Sample(str(counting_clip(tmp_path / "clip.mp4", frames=3)), 0)
    for mode in ("train", "val"):
        assert frame_numbers(clip_crops(sample, mode=mode, settings=SETTINGS)) == [0, 0, 0, 0]


def test_a_folder_of_frames_counts_as_the_list_says(tmp_path: Path) -> None:
    folder = counting_folder(tmp_path / "frames", frames=20)
    crops = clip_crops(Sample(str(folder), 0, frames=8), mode="val", settings=SETTINGS)
    assert frame_numbers(crops) == [1, 3, 5, 7]
    with pytest.raises(InputError, match="has 20 frames, the list says 21"):
        clip_crops(Sample(str(folder), 0, frames=21), mode="val", settings=SETTINGS)


def test_frames_are_resized_by_keep_aspect_before_they_are_cropped(tmp_path: Path) -> None:
    # A bright quarter at the left: resized to 43 x 32, its edge at 48 / 4 lies at 10.7, minus (43 - 24) // 2 = 9.
    frame = level_frame(20)
    frame[:, :12] = 220
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "img_00001.jpg"), frame)
    (crop,) = clip_crops(
        Sample(str(folder), 0, frames=1),
        mode="val",
        settings=ClipSettings(num_seg=1, short_side=32, crop_size=24),
    )
    assert crop[12, 0, 0] > 200
    assert crop[12, 3, 0] < 60


def test_frames_of_different_aspects_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, width in enumerate((48, 90, 90), 1):
        cv2.imwrite(str(folder / f"img_{number:05}.jpg"), level_frame(20, width=width))
    settings = ClipSettings(num_seg=2, short_side=32, crop_size=24)
    for mode in ("train", "val"):
        with pytest.raises(InputError, match="changes its aspect"):
            clip_crops(Sample(str(folder), 0), mode=mode, settings=settings)


def test_an_unreadable_clip_is_an_input_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(InputError, match=name):
            clip_crops(Sample(str(tmp_path / name), 0), mode="val", settings=SETTINGS)


def test_settings_and_modes_that_make_no_sense_are_refused() -> None:
    for wrong in ({"num_seg": 0}, {"crop_size": 257}, {"crop_size": 0}, {"max_unreadable": 1.5}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ClipSettings(**wrong)
    with pytest.raises(UsageError, match="train, val"):
        clip_crops(Sample("clip.mp4", 0), mode="test", settings=SETTINGS)


def test_what_worker_processes_import_is_light() -> None:
    code = "from pptsn.training.data import loader\nfrom pptsn.training.synthetic import dataset\n"
    code += "import sys; print('paddle' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
