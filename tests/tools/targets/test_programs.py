import subprocess
import sys

import pytest

from pptsn.benchmarks.measure.method import Method
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.targets.programs import measure_memory, measure_start
from tools.targets.trees import peak_pss_mb

MORE_MB = 300
TAKE = f"import time; a = b'1' * {MORE_MB * 1_000_000}; time.sleep(0.2)"
TAKE_TOO = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_peak_memory_is_that_of_the_command_and_its_children_and_not_of_this_process():
    little = peak_pss_mb([sys.executable, "-c", "import time; time.sleep(0.2)"])
    much = peak_pss_mb([sys.executable, "-c", TAKE])
    together = peak_pss_mb([sys.executable, "-c", f"{TAKE}; {TAKE_TOO}", TAKE])
    assert little < 100
    assert much - little == pytest.approx(MORE_MB, rel=0.1)
    assert together - little == pytest.approx(2 * MORE_MB, rel=0.1)


def test_a_command_that_fails_gives_no_figure():
    with pytest.raises(subprocess.CalledProcessError):
        peak_pss_mb([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_the_program_is_measured_as_a_user_starts_it(tmp_path):
    model, clip = write_tiny_model(tmp_path / "m.onnx"), write_clip(tmp_path / "c.mp4")
    method = Method(repeats=1)
    memory = measure_memory([clip], "one clip", model, method, segments=3, views="ten")
    start = measure_start(model, clip, method, segments=3, views="ten")
    assert 50 < memory["peak_memory_mb"].value < 1000
    assert 0.1 < start["start_to_answer_s"].value < 60
    assert memory.settings["source"] == "one clip"
