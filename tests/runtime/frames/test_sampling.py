import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.sampling import centre_indices, linspace_indices, sampling_rule, training_indices


def test_centre_takes_the_middle_of_each_part() -> None:
    assert centre_indices(100, 4) == [12, 37, 62, 87]


@pytest.mark.parametrize("frames", [1, 7, 8])
def test_centre_of_a_video_no_longer_than_its_segments_is_frame_0(frames: int) -> None:
    assert centre_indices(frames, 8) == [0] * 8
    assert centre_indices(9, 8) != [0] * 8


def test_linspace_spans_first_to_last_frame() -> None:
    assert linspace_indices(100, 4) == [0, 33, 66, 99]


def test_training_draws_one_frame_of_each_part() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([training_indices(32, 3, rng) for _ in range(300)])
    for part in range(3):
        assert set(draws[:, part]) == set(range(10 * part, 10 * part + 10))


def test_training_on_fewer_frames_than_segments_is_frame_0() -> None:
    assert training_indices(2, 3, np.random.default_rng(0)) == [0, 0, 0]


@pytest.mark.parametrize(("frames", "segments"), [(0, 3), (5, 0)])
def test_nonsense_is_refused(frames: int, segments: int) -> None:
    for rule in (centre_indices, linspace_indices):
        with pytest.raises(UsageError):
            rule(frames, segments)


def test_an_unknown_rule_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="centre, linspace"):
        sampling_rule("random")


@pytest.mark.shared
def test_indices_match_the_original(reference: dict) -> None:
    for entry in reference["sampling"]:
        assert centre_indices(entry["frames"], entry["num_seg"]) == entry["centre"]
        assert linspace_indices(entry["frames"], entry["num_seg"]) == entry["linspace"]
