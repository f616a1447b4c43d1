"""How many decoders are found to be best, of machines whose speed is known, on a clock that they move."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.tune import decoding
from pptsn.runtime.tune.decoding import (
    DecoderSearch,
    Throughput,
    fewest_of_the_fastest,
    numbers_of_decoders,
    seconds_for_folder,
    write_clip,
)
from pptsn.runtime.video import open_video
from tests.clips import write_clip as write_small_clip
from tests.models import tiny_spec
from tools.pacing.stand_in import StandInEngine


@dataclass
class Machine:
    """What it reaches: clips a second by the number of decoders, at most what its engine does.

    slow: by the number of a run, how many times as long as it should that one takes.
    """

    by_decoders: dict[int, float]
    engine: float = 100.0
    now_s: float = 0.0
    slow: dict[int, float] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)

    def folder(self, clips: int, decoders: int) -> float:
        self.runs.append(decoders)
        took_s = clips / min(self.engine, self.by_decoders[decoders]) * self.slow.get(len(self.runs), 1.0)
        self.now_s += took_s
        return took_s

    def tried(self, seconds: float = 10.0) -> list[Throughput]:
        search = DecoderSearch(
            folder=self.folder,
            engine_clips_per_s=self.engine,
            seconds=seconds,
            clock=lambda: self.now_s,
        )
        return search.tried()

    def best(self, seconds: float = 10.0) -> int:
        return fewest_of_the_fastest(self.tried(seconds)).decoders


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "available_cores", lambda: 8)


@pytest.mark.parametrize(
    ("cores", "numbers"), [(1, [0, 1]), (2, [0, 1, 2]), (6, [0, 1, 2, 4, 6]), (8, [0, 1, 2, 4, 8])]
)
def test_numbers_grow_up_to_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, numbers: list[int]) -> None:
    monkeypatch.setattr(decoding, "available_cores", lambda: cores)
    assert numbers_of_decoders() == numbers


def test_an_engine_that_is_fed_by_none_needs_none_and_nothing_else_is_tried() -> None:
    machine = Machine({0: 96.0})
    assert machine.best() == 0
    assert machine.runs == [0]


def test_no_more_are_tried_than_feed_the_engine() -> None:
    machine = Machine({0: 15.0, 1: 30.0, 2: 60.0, 4: 120.0})
    assert machine.best() == 4
    assert set(machine.runs) == {0, 1, 2, 4}


def test_where_decoding_is_slow_all_cores_decode() -> None:
    assert Machine({count: 5.0 * max(1, count) for count in (0, 1, 2, 4, 8)}).best() == 8


def test_of_numbers_that_are_as_fast_the_fewest_are_taken() -> None:
    assert Machine({0: 15.0, 1: 30.0, 2: 49.0, 4: 50.0, 8: 50.0}).best() == 2


def test_one_that_brings_nothing_does_not_end_the_search() -> None:
    assert Machine({0: 30.0, 1: 20.0, 2: 45.0, 4: 80.0, 8: 60.0}).best() == 4


def test_a_busy_moment_does_not_decide() -> None:
    """The best is hit in its first run, and there is no time for more than what is always done."""
    machine = Machine({0: 60.0, 1: 40.0, 2: 40.0, 4: 40.0, 8: 40.0}, slow={1: 10.0})
    assert machine.best(seconds=0.0) == 0


@pytest.mark.parametrize("seconds", [3.0, 10.0, 60.0])
def test_it_takes_about_as_long_as_it_is_given(seconds: float) -> None:
    machine = Machine({0: 60.0, 1: 70.0, 2: 80.0, 4: 90.0, 8: 90.0})
    machine.tried(seconds)
    assert machine.now_s == pytest.approx(1.2 * seconds, rel=0.2)


def test_a_slow_engine_is_given_two_clips_and_two_rounds() -> None:
    machine = Machine({0: 0.2, 1: 0.2, 2: 0.21, 4: 0.21, 8: 0.21}, engine=0.25)
    machine.tried(seconds=1.0)
    assert machine.runs == [0, 1, 2, 4, 8] * 2


def stand_in() -> Recognizer:
    return Recognizer(StandInEngine(tiny_spec(), batch_s=0.0, batch_size=8))


@pytest.mark.parametrize("decoders", [0, 1])
def test_a_folder_is_all_clips_of_it(tmp_path: Path, decoders: int) -> None:
    clip = write_small_clip(tmp_path / "clip.mp4", frames=10)
    protocol = PUBLISHED.but(segments=2, views="center")
    with StandInEngine(tiny_spec(), batch_s=0.0, batch_size=8) as engine, Recognizer(engine) as recognizer:
        assert seconds_for_folder(recognizer, clip, protocol, decoders=decoders, clips=5) > 0
        assert sum(engine.calls) == 10


def test_a_clip_that_cannot_be_read_is_its_error(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    with stand_in() as recognizer, pytest.raises(InputError, match=r"clip\.mp4: "):
        seconds_for_folder(recognizer, tmp_path / "clip.mp4", PUBLISHED, decoders=0, clips=2)


@pytest.mark.slow
def test_the_clip_that_is_drawn_is_ten_seconds_that_move(tmp_path: Path) -> None:
    with open_video(write_clip(tmp_path / "clip.mp4")) as video:
        assert (video.frame_count(), video.duration_s()) == (300, pytest.approx(10))
        first, last = video.read([0, 299])
    assert first.pixels.shape == (256, 340, 3)
    assert np.abs(first.pixels.astype(int) - last.pixels).mean() > 5
