"""Streams whose clocks are wrong: one good clip, its times transformed, and as many predictions as before."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from pptsn.runtime.stream.pipeline.settings import StreamSettings
from tests.clips import retime_ts, write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.running import Run, run_streams

RATE = 10
GOOD = [index / RATE for index in range(120)]
DUE = 24
SETTINGS = StreamSettings(window_s=4.0, segments=8)
STILL = "the source's clock stands still; going by its frames, 10 a second"
AGAIN = "the source's clock is followed again"


def shuffled(group: int) -> list[float]:
    mixing = random.Random(group)
    groups = [GOOD[start : start + group] for start in range(0, len(GOOD), group)]
    return [time_s for times in groups for time_s in mixing.sample(times, len(times))]


# The times of the clip's pictures, and what is said of them.
TRANSFORMS = {
    "none": (GOOD, []),
    "frozen": ([0.0] * 120, [STILL]),
    "frozen-later": ([min(t, 4.0) for t in GOOD], [STILL]),
    "frozen-a-while": ([min(t, 4.0) if t < 7 else t - 3 for t in GOOD], [STILL, AGAIN]),
    "jump": ([t + 3600 * (t >= 6) for t in GOOD], ["no frame for 3600 s; the window begins anew"]),
    "back": (
        [t + 100 * (t < 6) for t in GOOD],  # to FFmpeg, which knows that this clock starts again after 26.5 hours
        ["the source's clock jumped ahead by 95344 s; the window begins anew"],
    ),
    "shift": ([t + 9000 for t in GOOD], []),
    "slow": ([t / 100 for t in GOOD], [STILL]),
    "shuffled": (shuffled(10), ["the source's timestamps are out of order; going by its frames, 10 a second"]),
    "doubled": ([GOOD[index // 2 * 2] for index in range(120)], []),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = {"preset": "ultrafast", "g": "10", "bf": "0", "threads": "1"}
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.ts", frames=len(GOOD), rate=RATE, options=options)


def retimed(clip: Path, times: list[float], to: Path) -> Path:
    to.write_bytes(clip.read_bytes())
    return retime_ts(to, times)


@pytest.fixture(scope="module")
def run(clip: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("clips")
    clips = [retimed(clip, times, folder / f"{name}.ts") for name, (times, _) in TRANSFORMS.items()]
    return run_streams(model, clips, SETTINGS)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_whatever_its_clock_does_a_stream_goes_on_and_says_so(run: Run, name: str):
    _, said = TRANSFORMS[name]
    stream = f"{name}.ts"
    assert abs(len(run.predictions(stream)) - DUE) <= 1
    assert [detail for state, detail in run.notices(stream) if state == "live"][1:] == said


def test_files_with_such_clocks_that_were_met_go_on_and_say_so(shared_dir: Path, model: Path):
    said = {
        "even.ts": TRANSFORMS["none"][1],
        "stall.ts": TRANSFORMS["frozen"][1],
        "jump.ts": TRANSFORMS["jump"][1],
    }
    run = run_streams(model, [shared_dir / "faults" / name for name in said], SETTINGS)
    for name, expected in said.items():
        assert len(run.predictions(name)) == DUE
        assert [detail for state, detail in run.notices(name) if state == "live"][1:] == expected


def test_a_window_over_a_clock_that_stands_still_is_of_frames_that_were_seen_once(run: Run):
    """Reuse stays exact: the same frames, in the same windows, as with a clock that is right."""
    right, frozen = run.predictions("none.ts"), run.predictions("frozen.ts")
    assert [p.frames for p in frozen[2:]] == [p.frames for p in right[2:]]
    assert frozen[-1].scores == pytest.approx(right[-1].scores, abs=1e-6)


def test_no_pause_of_a_file_is_waited_for_longer_than_silence(model: Path, tmp_path: Path):
    options = {"preset": "ultrafast", "g": "10", "bf": "0", "threads": "1"}
    clip = write_clip(tmp_path / "clip.ts", frames=10, rate=RATE, options=options)
    retime_ts(clip, [t + 3600 * (t >= 0.5) for t in GOOD[:10]])
    settings = StreamSettings(window_s=0.8, segments=4, realtime=True, timeout_s=0.5)
    began_s = time.monotonic()
    run = run_streams(model, [clip], settings)
    assert time.monotonic() - began_s < 30
    assert "a pause of 3600 s in the file is cut to 0.5 s" in [detail for _, detail in run.notices("clip.ts")]
    assert len(run.predictions("clip.ts")) == 6
