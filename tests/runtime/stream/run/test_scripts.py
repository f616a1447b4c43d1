"""The pipeline in scripts of its users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import write_tiny_model
from tests.runtime.stream.run.test_cli import lines_of, processes_below, started
from tests.runtime.workers.processes import is_ended
from tests.waiting import WAIT_S, wait_until

ROOT = Path(__file__).resolve().parents[4]

SCRIPT = """
import sys
print("script runs", flush=True)
from pptsn import Sink, StreamPipeline, StreamPrediction, StreamSettings, open_engine, parse_source

class Printer(Sink):
    name = "printer"

    def write(self, message):
        if isinstance(message, StreamPrediction):
            print(message.stream, message.top(1)[0].label, flush=True)

    def close(self):
        pass

settings = StreamSettings(window_s=1, segments=2)
with open_engine(sys.argv[1]) as engine, StreamPipeline(engine, settings) as pipeline:
    pipeline.add_sink(Printer())
    pipeline.add(parse_source("synthetic:?seconds=1"))
    pipeline.start()
    pipeline.wait()
print("code", pipeline.exit_code)
"""


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_script_needs_no_guard_and_runs_once(tmp_path: Path, way: str):
    model = write_tiny_model(tmp_path / "model.onnx")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, str(script) if way == "file" else "-", str(model)],
        input="" if way == "file" else SCRIPT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines.count("script runs") == 1
    assert len(lines) == 4
    assert lines[-1] == "code 0"


def test_the_end_of_a_service_reaches_all_its_processes_and_is_no_failure(tmp_path: Path):
    model = write_tiny_model(tmp_path / "model.onnx")
    out, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    source = "synthetic:?live=1&fps=25"
    with started("--quiet", source, "--model", model, "--window", 0.4, "-o", out, "-o", video) as process:
        wait_until(lambda: len(lines_of(out)) > 10)
        everything = [process.pid, *processes_below(process.pid)]
        for pid in everything:
            os.kill(pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT_S)
        assert (process.returncode, errors) == (0, "")
    assert lines_of(out)[-1]["state"] == "ended"
    assert not any("retrying" in str(line) for line in lines_of(out))
    assert video.stat().st_size > 5000
    wait_until(lambda: all(map(is_ended, everything)))
