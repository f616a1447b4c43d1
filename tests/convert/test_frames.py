from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.frames import MINIMUM_FRAMES, calibration_sources, read_frames
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.decoding.clips import Excerpt
from tests.clips import write_clip
from tests.models import tiny_spec

SPEC = tiny_spec()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight clips of twelve frames, and a list of them."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(8):
        write_clip(folder / f"{number}.mp4", frames=12)
    (folder / "train.txt").write_text("".join(f"{number}.mp4 {number % 2}\n" for number in range(8)))
    return folder


def test_clips_are_named_by_folder_list_or_training_list(folder: Path, tmp_path: Path) -> None:
    expected = [str(folder / f"{number}.mp4") for number in range(8)]
    assert calibration_sources(str(folder)) == expected
    assert calibration_sources(str(folder / "train.txt")) == expected
    assert calibration_sources(str(folder / "0.mp4")) == expected[:1]
    for name in ("plain", "plain.txt"):
        (tmp_path / name).write_text("\n".join(expected))
        assert calibration_sources(f"@{tmp_path / name}") == expected


def test_a_training_list_of_extracted_frames_is_understood(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "frames.txt").write_text("clip 7 0\n")
    assert calibration_sources(str(tmp_path / "frames.txt")) == [Excerpt(tmp_path / "clip", 7)]


def test_a_list_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no\.txt"):
        calibration_sources("no.txt")


def test_about_as_many_frames_as_asked_for_come_from_all_clips(folder: Path) -> None:
    frames = read_frames(calibration_sources(str(folder)), SPEC, frames=48)
    assert frames.calibration.shape == (48, 32, 32, 3)
    assert frames.held_out.shape == (16, 32, 32, 3)
    assert frames.clips == 8
    assert frames.calibration.dtype == np.uint8


def test_decoders_give_the_same_frames_and_say_the_same_of_bad_clips(folder: Path, tmp_path: Path) -> None:
    sources = [*calibration_sources(str(folder)), tmp_path / "none.mp4"]
    steps: list[tuple[int, int]] = []
    alone = read_frames(sources, SPEC, frames=48, decoders=0)
    pooled = read_frames(sources, SPEC, frames=48, decoders=2, progress=lambda *step: steps.append(step))
    assert pooled.digest() == alone.digest()
    np.testing.assert_array_equal(pooled.held_out, alone.held_out)
    assert pooled.skipped == alone.skipped == (f"{tmp_path}/none.mp4: there is no such file; check the path",)
    assert steps == [(done, 9) for done in range(1, 10)]


def test_few_frames_of_many_clips_leave_clips_out_evenly(folder: Path) -> None:
    sources = calibration_sources(str(folder)) * 20
    frames = read_frames(sources, SPEC, frames=60)
    assert frames.clips == 80
    assert len(frames.calibration) == 60


def test_no_clip_is_on_both_sides(folder: Path, tmp_path: Path) -> None:
    # Each clip has a brightness of its own.
    from pptsn.training.synthetic.mp4 import write_mp4

    for number in range(8):
        grey = np.full((48, 64, 3), 20 + 25 * number, np.uint8)
        write_mp4(tmp_path / f"{number}.mp4", [grey] * 8, fps=8)
    frames = read_frames(calibration_sources(str(tmp_path)), SPEC, frames=48)
    sides = [
        set((crops.mean(axis=(1, 2, 3)) / 25).round().astype(int))
        for crops in (frames.calibration, frames.held_out)
    ]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 8


def test_of_one_clip_every_fourth_frame_is_held_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", frames=60)
    frames = read_frames([str(clip)], SPEC, frames=45)
    assert (len(frames.calibration), len(frames.held_out)) == (45, 15)


def test_the_same_clips_give_the_same_frames(folder: Path) -> None:
    sources = calibration_sources(str(folder))
    first, second = (read_frames(sources, SPEC, frames=48) for _ in range(2))
    assert first.digest() == second.digest()
    assert first.digest() != read_frames(sources[:6], SPEC, frames=48).digest()


def test_frames_are_cut_at_all_places_and_mirrored(tmp_path: Path) -> None:
    from pptsn.training.synthetic.mp4 import write_mp4

    slope = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 1, 3))
    clip = tmp_path / "slope.mp4"
    write_mp4(clip, [slope] * 60, fps=20)
    crops = read_frames([str(clip)], SPEC, frames=45).calibration.astype(int)
    rises = crops[:, :, -1].mean(axis=(1, 2)) - crops[:, :, 0].mean(axis=(1, 2))
    assert (rises > 0).any()
    assert (rises < 0).any()


def test_unreadable_clips_are_named_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    frames = read_frames([*calibration_sources(str(folder)), str(tmp_path / "bad.mp4")], SPEC, frames=48)
    assert frames.clips == 8
    (line,) = frames.skipped
    assert "bad.mp4" in line


def test_clips_that_give_too_few_frames_are_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "short.mp4", frames=9)
    with pytest.raises(InputError, match=f"1 clips give 9 frames, expected at least {MINIMUM_FRAMES}"):
        read_frames([str(clip)], SPEC, frames=256)


def test_clips_none_of_which_can_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"none of 1 clips can be read .*bad\.mp4"):
        read_frames(calibration_sources(str(tmp_path)), SPEC, frames=256)


def test_frames_of_a_clip_that_breaks_off_are_left_out(folder: Path, tmp_path: Path) -> None:
    from pptsn.runtime.decoding.clips import ClipEnd, clip_frames

    good = read_frames(calibration_sources(str(folder)), SPEC, frames=48)
    stated = [*calibration_sources(str(folder)), Excerpt(folder / "0.mp4", 99)]
    assert any(
        isinstance(item, ClipEnd) and item.error
        for item in clip_frames(stated[-1:], SPEC, segments=2, rule="centre")
    )
    frames = read_frames(stated, SPEC, frames=48)
    assert frames.clips == good.clips
    assert len(frames.skipped) == 1


def test_no_clips_at_all_are_refused_by_the_name_of_the_option() -> None:
    with pytest.raises(InputError, match="--clips: names no clips"):
        read_frames([], SPEC, frames=48, option="--clips")
    with pytest.raises(UsageError, match="empty name"):
        calibration_sources("")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises((InputError, UsageError)):
        read_frames(calibration_sources(str(tmp_path)), SPEC, frames=256)
