"""A crowd at the page of `pptsn stream`, as it is run, with few descriptors."""

from __future__ import annotations

import csv
import http.client
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.models import write_tiny_model
from tests.runtime.stream.sinks.web.crowd import Crowd
from tests.servers import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[4]
DESCRIPTORS = 1024
SECONDS = 8


@pytest.fixture
def many_descriptors() -> None:
    """Let this process hold a crowd."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this user may not open enough files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))


def health(port: int) -> int:
    """Return the status of the page's answer, 0 without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize(
    ("size", "source", "kind"),
    [
        (0, "127.0.0.2", "silent"),
        (2000, "127.0.0.2", "silent"),
        (2000, "127.0.0.1", "silent"),
        (2000, "127.0.0.1", "half a head"),
    ],
)
def test_a_crowd_costs_no_line_of_output_and_no_answer(tmp_path: Path, size: int, source: str, kind: str) -> None:
    model, port = write_tiny_model(tmp_path / "model.onnx"), free_port()
    files = [tmp_path / "out.jsonl", tmp_path / "out.csv"]
    arguments = [f"synthetic:?live=1&seconds={SECONDS}", "--model", str(model), "--http", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "pptsn", "stream", *arguments]
    for file in files:
        command += ["-o", f"{file}?only=predictions"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
        wait_until(lambda: health(port) == 200)
        answers = []
        with Crowd(port, size, kind=kind, sources=(source,)) as crowd:
            until_s = time.monotonic() + 0.6 * SECONDS
            while time.monotonic() < until_s:
                answers.append(health(port))
                time.sleep(0.2)
        printed, told = process.communicate(timeout=60)
    assert crowd.opened >= size
    assert answers == [200] * len(answers)
    predictions = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert len(predictions) >= SECONDS
    assert len(list(csv.DictReader(files[1].open()))) == len(predictions)
    assert len(printed.splitlines()) == len(predictions)
    assert len(told.splitlines()) < 100
    assert process.returncode == 0
