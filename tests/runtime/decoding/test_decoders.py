from typing import Any

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.decoding import decoders
from pptsn.runtime.decoding.decoders import (
    Decoders,
    automatic_decoders,
    check_decoders,
    decoder_count,
    read_decoders,
)


@pytest.mark.parametrize(
    ("cores", "busy_cores", "clips", "count"),
    [
        (16, 1, 100, 15),  # a GPU: all cores but that of the thread that feeds it
        (16, 1, None, 15),
        (16, 1, 6, 6),
        (16, 1, 4, 4),
        (16, 1, 3, 0),  # decoded before a pool has started
        (16, 1, 1, 0),
        (16, 1, 0, 0),
        (2, 1, 100, 1),
        (1, 1, 100, 0),
        (16, 16, 100, 0),  # an engine that fills the cores
        (16, 12, 100, 4),
        (4, 8, 100, 0),
        (96, 1, 1000, 95),
    ],
)
def test_auto_takes_a_decoder_for_each_core_and_clip_that_is_left(
    cores: int, busy_cores: int, clips: int | None, count: int
) -> None:
    assert automatic_decoders(cores=cores, busy_cores=busy_cores, clips=clips) == count


def test_a_number_is_taken_as_it_is_and_auto_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "available_cores", lambda: 8)
    assert decoder_count(0, ["a"] * 9, busy_cores=1) == 0
    assert decoder_count(3, ["a"], busy_cores=8) == 3
    assert decoder_count("auto", ["a"] * 9, busy_cores=2) == 6
    assert decoder_count("auto", ["a"] * 5, busy_cores=2) == 5
    assert decoder_count("auto", iter(["a"]), busy_cores=2) == 6


@pytest.mark.parametrize(
    ("asked", "clips", "found", "count", "told"),
    [
        ("auto", 9, 3, 3, ["--decoders auto: 3, as pptsn tune found"]),
        ("auto", 4, 0, 0, ["--decoders auto: 0, as pptsn tune found"]),
        ("auto", None, 3, 3, ["--decoders auto: 3, as pptsn tune found"]),
        ("auto", 3, 2, 0, []),  # decoded before a pool has started
        ("auto", 9, None, 6, []),
        (1, 9, 3, 1, []),
    ],
)
def test_what_was_measured_is_taken_by_auto_and_told(
    monkeypatch: pytest.MonkeyPatch,
    asked: Decoders,
    clips: int | None,
    found: int | None,
    count: int,
    told: list[str],
) -> None:
    monkeypatch.setattr(decoders, "available_cores", lambda: 8)
    heard: list[str] = []
    sources = iter("a") if clips is None else ["a"] * clips
    assert decoder_count(asked, sources, busy_cores=2, found=found, note=heard.append) == count
    assert heard == told


@pytest.mark.parametrize(("text", "decoders"), [("auto", "auto"), ("0", 0), ("12", 12)])
def test_what_is_written_is_read(text: str, decoders: int | str) -> None:
    assert read_decoders(text) == decoders


@pytest.mark.parametrize("text", ["", "Auto", "-1", "1.5", "²", "1025", "9" * 5000, " 2"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--decoders: expected auto or a number of 0 to 1024, got "):
        read_decoders(text)


@pytest.mark.parametrize("decoders", [-1, 1025, 2.0, True, None, "x", "2", "AUTO"])
def test_so_is_what_comes_from_python(decoders: Any) -> None:
    with pytest.raises(UsageError, match="--decoders: expected auto or a number of 0 to 1024, got "):
        check_decoders(decoders)
