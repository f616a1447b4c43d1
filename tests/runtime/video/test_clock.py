"""A clock that jumps, stands still or steps back is told; one that merely varies is not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.video import open_video
from pptsn.runtime.video.clock import Clock, examine
from tests.clips import retime_ts, write_clip

_EVEN = [number / 10 for number in range(120)]


@pytest.mark.parametrize("still", range(0, 121, 8))
def test_a_clock_that_stands_still_is_told_from_three_frames_on(still: int) -> None:
    times = [min(time, _EVEN[-1] - still / 10) for time in _EVEN]
    clock = examine(times, rate=10)
    assert ("stands still" in clock.trouble) is (still >= 3)
    assert clock.duration_s == (pytest.approx(12.0) if still >= 3 else None)


@pytest.mark.parametrize("hole_s", [0, 1, 5, 11, 100, 3600, 90000])
def test_a_jump_ahead_is_told_with_how_far_it_goes(hole_s: int) -> None:
    times = [time + hole_s * (time >= 6) for time in _EVEN]
    told = re.search(r"jumps ahead by (\d+) s after (\S+) s", examine(times, rate=10).trouble)
    assert bool(told) is (hole_s > 10)
    assert not told or (int(told[1]), float(told[2])) == (hole_s, 5.9)


@pytest.mark.parametrize("back_s", [0.0, 1.0, 3.0, 100.0, 3600.0])
def test_a_step_back_is_told_and_the_duration_reckoned(back_s: float) -> None:
    clock = examine([time - back_s * (time >= 6) for time in _EVEN], rate=10)
    assert ("steps back" in clock.trouble) is (back_s > 2)
    assert clock.duration_s == (pytest.approx(12.0) if back_s > 2 else None)


@pytest.mark.parametrize("rate", [1, 25, 240, 1000])
def test_times_that_merely_vary_are_believed(rate: int) -> None:
    rng = np.random.default_rng(0)
    bursts = (
        np.concatenate([2 * part + np.arange(15) / rate for part in range(5)]) if rate >= 25 else np.arange(9.0)
    )
    reordered = [4, 1, 3, 2, 8, 5, 7, 6, 12, 9, 11, 10]
    for times in (bursts, np.cumsum(rng.uniform(0.2, 5, 50)) / rate, np.array(reordered) / rate):
        assert examine(times.tolist(), rate=rate) == Clock()


def test_a_file_says_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", options={"bf": "0", "g": "12", "threads": "1"})
    retime_ts(path, [10 + (number if number < 24 else 24) / 25 for number in range(48)])
    with open_video(path) as video:
        assert any("its clock stands still after 1.0 s" in warning for warning in video.warnings)
        assert video.duration_s() == pytest.approx(48 / 25, abs=0.05)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "told", "duration_s"),
    [
        ("stall.ts", "its clock stands still after", 12.0),
        ("jump.ts", "its clock jumps ahead by 3600 s after", 3612.0),
        ("even.ts", "", 12.0),
        ("vfr.mp4", "", 8.0),
    ],
)
def test_each_made_clock_is_told(name: str, told: str, duration_s: float, shared_dir: Path) -> None:
    with open_video(shared_dir / "faults" / name) as video:
        assert "; ".join(video.warnings).startswith(told)
        assert bool(video.warnings) is bool(told)
        assert video.duration_s() == pytest.approx(duration_s, abs=0.3)
