import subprocess
import sys

import pytest

from pptsn.benchmarks.measure.method import Method
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.targets.programs import measure_memory, measure_start, peak_memory_mb

MORE_MB = 300


def test_peak_memory_is_that_of_the_command_and_not_of_this_process():
    little = peak_memory_mb([sys.executable, "-c", "pass"])
    much = peak_memory_mb([sys.executable, "-c", f"b'1' * {MORE_MB * 1_000_000}"])
    assert little < 100
    assert much - little == pytest.approx(MORE_MB, rel=0.1)


def test_a_command_that_fails_gives_no_figure():
    with pytest.raises(subprocess.CalledProcessError):
        peak_memory_mb([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_the_program_is_measured_as_a_user_starts_it(tmp_path):
    model, clip = write_tiny_model(tmp_path / "m.onnx"), write_clip(tmp_path / "c.mp4")
    method = Method(repeats=1)
    memory = measure_memory([clip], "one clip", model, method, segments=3, views="ten")
    start = measure_start(model, clip, method, segments=3, views="ten")
    assert 50 < memory["peak_memory_mb"].value < 1000
    assert 0.1 < start["start_to_answer_s"].value < 60
    assert memory.settings["source"] == "one clip"
