"""Pictures of files, whole and damaged."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames import stored
from pptsn.runtime.frames.library_lines import caught_lines
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
    np.testing.assert_array_equal(decoded_picture(encoded(".png"), thing="a").pixels, picture(3))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_what_is_cut_is_none_or_a_picture_and_nothing_is_printed(
    loud_opencv: None, capfd: pytest.CaptureFixture[str], suffix: str, share: float
) -> None:
    whole = encoded(suffix)
    found = decoded_picture(whole[: int(share * len(whole))], thing="a").pixels
    assert found is None or found.shape == (64, 96, 3)
    assert share > 0.5 or found is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_nothing_is_printed_of_pictures_with_any_damage(
    loud_opencv: None, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    rng, whole = np.random.default_rng(0), np.frombuffer(encoded(suffix), np.uint8)
    troubles = set()
    for changed in range(60):
        content = whole.copy()
        places = rng.integers(0, len(whole) if changed % 2 else min(700, len(whole)), changed // 10)
        content[places] = rng.integers(0, 256, len(places))
        with suppress(InputError):  # it says that it is larger than may be
            found = decoded_picture(content.tobytes(), thing="a")
        troubles.add(found.trouble)
        assert changed >= 10 or (found.trouble, found.damaged) == ("", False)
    assert (len(troubles) > 3) == (suffix in (".png", ".jpg")), "libraries that tell"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "trouble", "damaged"),
    [
        (lambda whole: whole, "", False),
        (lambda whole: whole[: len(whole) // 2] + b"\xff\xd9", "premature end of data segment", True),
        (
            lambda whole: whole[:-2] + b"1234" * 100 + b"\xff\xd9",
            r"\d+ extraneous bytes before marker 0xd9",
            False,
        ),
    ],
)
def test_what_libjpeg_says_is_told(change: Callable[[bytes], bytes], trouble: str, damaged: bool) -> None:
    found = decoded_picture(change(encoded(".jpg")), thing="a")
    assert found.pixels is not None
    assert re.fullmatch(trouble, found.trouble)
    assert found.damaged == damaged


def test_what_others_write_meanwhile_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with caught_lines(lambda line: line.startswith("mine")) as lines:
        os.write(2, b"theirs\nmine: a\n\x1b[2K50 %")
    assert lines == ["mine: a"]
    assert capfd.readouterr().err == "theirs\n\x1b[2K50 %"


def test_what_others_write_is_written_where_decoding_fails_too(capfd: pytest.CaptureFixture[str]) -> None:
    with suppress(ValueError), caught_lines(lambda line: line.startswith("mine")):
        os.write(2, b"theirs\nmine: a\n")
        raise ValueError
    assert capfd.readouterr().err == "theirs\n"


def test_a_reader_of_standard_error_that_has_gone_makes_no_picture_unreadable(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, (reading, writing) = os.dup(2), os.pipe()
    os.dup2(writing, 2)
    os.close(reading)
    try:
        with caught_lines(lambda line: line.startswith("mine")) as lines:
            os.write(2, b"theirs\nmine: a\n")
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(writing)
    assert lines == ["mine: a"]


def test_without_room_for_a_descriptor_nothing_is_caught_and_none_is_left_open(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> int:
        raise OSError(errno.EMFILE, name)

    monkeypatch.setattr("pptsn.runtime.frames.library_lines.unnamed_file", full)
    descriptors = Path("/proc/self/fd")
    open_before = len(list(descriptors.iterdir()))
    with caught_lines(lambda line: True) as lines:
        os.write(2, b"mine\n")
    assert (lines, capfd.readouterr().err) == ([], "mine\n")
    assert len(list(descriptors.iterdir())) == open_before
