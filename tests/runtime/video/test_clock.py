"""A clock that jumps, stands still or steps back is told; one that merely varies is not."""

from __future__ import annotations

import re
import struct
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


@pytest.mark.parametrize("hole_s", [0, 1, 5, 11, 100, 3600, 42_000])
def test_a_jump_ahead_is_told_with_how_far_it_goes(hole_s: int) -> None:
    times = [time + hole_s * (time >= 6) for time in _EVEN]
    told = re.search(r"jumps ahead by (\d+) s after (\S+) s", examine(times, rate=10).trouble)
    assert bool(told) is (hole_s > 10)
    assert not told or (int(told[1]), float(told[2])) == (hole_s, 5.9)


@pytest.mark.parametrize("jumps", [1, 2, 5])
@pytest.mark.parametrize("jump_s", [90_000.0, 6e10, 1e12])
def test_a_jump_that_no_hole_is_as_long_as_does_not_count(jump_s: float, jumps: int) -> None:
    """By the frames' usual steps; the frame after a jump counts as one."""
    times = [time + sum(jump_s for number in range(jumps) if time >= 2 * (number + 1)) for time in _EVEN]
    clock = examine(times, rate=10)
    assert "jumps ahead by" in clock.trouble
    assert clock.duration_s == pytest.approx(12.0, abs=0.3)


@pytest.mark.parametrize("lost", [0, 1, 3, 6, 20, 60, 95])
@pytest.mark.parametrize("holes", [1, 3])
def test_frames_that_are_missing_between_even_ones_are_told(lost: int, holes: int) -> None:
    """A hole of 0.5 s and five frames is one; of 10 s and more it is a jump of the clock."""
    times = [number / 10 for number in range(200 + lost * holes)]
    begins = [50 + number * (40 + lost) for number in range(holes)]
    kept = [time for number, time in enumerate(times) if not any(at <= number < at + lost for at in begins)]
    told = re.search(
        r"^(\S+) s of its frames are missing: none for (\S+) s after 4\.9 s(.*)", examine(kept, rate=10).trouble
    )
    assert bool(told) is (lost >= 5)
    if told:
        assert (float(told[1]), float(told[2])) == (
            pytest.approx(lost * holes / 10),
            pytest.approx((lost + 1) / 10),
        )
        assert told[3] == (", and 2 more" if holes == 3 else "")


@pytest.mark.parametrize("uneven", [0.0, 0.04, 0.1, 0.5])
def test_a_hole_among_frames_of_no_rate_is_none(uneven: float) -> None:
    """As of a screen that is recorded when it changes."""
    rng = np.random.default_rng(2)
    steps = np.where(rng.permutation(200) < uneven * 200, 0.25, 0.1)
    steps[100] = 3.0
    told = "are missing" in examine(np.cumsum(steps).tolist(), rate=10).trouble
    assert told is (uneven < 0.05)


@pytest.mark.parametrize("back_s", [0.0, 1.0, 3.0, 100.0, 3600.0])
def test_a_step_back_is_told_and_the_duration_reckoned(back_s: float) -> None:
    clock = examine([time - back_s * (time >= 6) for time in _EVEN], rate=10)
    assert ("steps back" in clock.trouble) is (back_s > 2)
    assert clock.duration_s == (pytest.approx(12.0) if back_s > 2 else None)


@pytest.mark.parametrize("begins", [1, 2, 4])
@pytest.mark.parametrize("length", [22, 30, 60])
def test_a_clock_that_begins_anew_within_two_seconds_is_told(length: int, begins: int) -> None:
    """As of clips that were put one after the other."""
    clock = examine([number % length / 25 for number in range(length * begins)], rate=25)
    assert ("steps back by" in clock.trouble) is (begins > 1)
    assert clock.duration_s == (pytest.approx(length * begins / 25) if begins > 1 else None)


@pytest.mark.parametrize("rate", [25, None])
@pytest.mark.parametrize("group", [1, 4, 16, 60, 120])
def test_times_that_are_shuffled_further_than_pictures_are_reordered_are_told(
    group: int, rate: float | None
) -> None:
    rng = np.random.default_rng(4)
    times = np.concatenate([begin + rng.permutation(group) for begin in range(0, 240, group)]) / 25
    clock = examine(times.tolist(), rate=rate)
    assert ("is out of order after" in clock.trouble) is (group > 20)
    assert clock.duration_s == (pytest.approx(240 / 25) if group > 20 else None)


@pytest.mark.parametrize("group", [1, 2, 4, 10, 30])
def test_a_clock_that_is_merely_coarse_is_believed(group: int) -> None:
    """Of which so many frames have one time; the last ones too."""
    assert examine([number // group * group / 25 for number in range(240)], rate=25) == Clock()


@pytest.mark.parametrize("times", [[0.0] * 50, np.random.default_rng(5).uniform(0, 1e12, 50).tolist()])
def test_where_nothing_tells_how_long_frames_last_no_duration_is_made_up(times: list[float]) -> None:
    clock = examine(times, rate=None)
    assert clock.trouble.endswith("and nothing tells how long its frames last")
    assert (clock.duration_s, clock.is_known) == (None, False)


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


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_time_that_no_file_lasts_until_does_not_count(tmp_path: Path, broken: int) -> None:
    path = write_clip(tmp_path / "a.ivf", frames=30, codec="libvpx", container_format="ivf")
    data = bytearray(path.read_bytes())
    place = 32  # behind the header of the file; each frame has its size, then its time
    for number in range(30):
        if number >= 30 - broken:
            struct.pack_into("<q", data, place + 4, 2**55 + number)
        place += 12 + struct.unpack_from("<I", data, place)[0]
    path.write_bytes(data)
    with open_video(path) as video:
        assert any("jumps ahead" in warning for warning in video.warnings) is (broken > 0)
        assert video.duration_s() == pytest.approx(30 / 25, abs=0.1)
