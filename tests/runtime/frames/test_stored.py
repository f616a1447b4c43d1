"""Pictures of files, whole and damaged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pptsn.runtime.frames import stored
from pptsn.runtime.frames.stored import decoded_picture
from tests.clips import picture


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, picture(3)[..., ::-1])[1].tobytes()


@pytest.fixture
def loud_opencv() -> None:
    """OpenCV says again what it thinks of pictures, as in a program that has not decoded any."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    stored._silence_opencv.cache_clear()


def test_colours_are_red_green_blue() -> None:
    np.testing.assert_array_equal(decoded_picture(encoded(".png"), thing="a"), picture(3))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_what_is_cut_is_none_or_a_picture_and_nothing_is_printed(
    loud_opencv: None, capfd: pytest.CaptureFixture[str], suffix: str, share: float
) -> None:
    whole = encoded(suffix)
    found = decoded_picture(whole[: int(share * len(whole))], thing="a")
    assert found is None or found.shape == (64, 96, 3)
    assert share > 0.5 or found is None
    assert capfd.readouterr() == ("", "")
