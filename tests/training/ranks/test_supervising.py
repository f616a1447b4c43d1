"""`pptsn train --devices`: ranks that this program starts, stops, and starts again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import DONE, LOST, UNFINISHED
from pptsn.training.network.weights import read_checkpoint, weights_digest
from tests.runtime.workers.processes import MARK, marked_processes
from tests.training.ranks.jobs import COMMAND, ROOT, TIMEOUT_S
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), train=5, val=3)
    (folder / "recipe.yaml").write_text(tiny_recipe(folder, epochs=2, batch_size=2).to_yaml())
    return folder


@contextmanager
def training(lists: Path, output: Path, *options: str, mark: str = "") -> Iterator[subprocess.Popen[str]]:
    """Train by two ranks that `--devices` starts; all processes of the job carry `mark`, and none is left."""
    mark = mark or uuid.uuid4().hex
    arguments = ["train", str(lists / "recipe.yaml"), "-o", str(output), "--devices", "cpu:2", *options]
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": path, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        for pid in marked_processes(mark):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def rank_of(mark: str, number: int) -> int:
    """Return the process that is the rank `number` of a job."""
    wanted = f"PADDLE_TRAINER_ID={number}".encode()
    (pid,) = (
        pid for pid in marked_processes(mark) if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    )
    return pid


def wait_for_an_epoch(run: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not (run / "last").is_symlink():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.02)


def digest_of(run: Path) -> str:
    return weights_digest(read_checkpoint(run / "last.pdparams").arrays)


def test_after_a_rank_is_killed_and_started_again_the_weights_are_those_of_a_run_without_that(
    lists: Path, tmp_path: Path
) -> None:
    with training(lists, tmp_path / "whole") as process:
        out, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == DONE, errors
    assert out.count("trained 2 epochs") == 1
    assert (
        tmp_path / "whole" / "rank-logs" / "rank-1.log"
    ).read_text() == "rank 1 of 2: joined the others, on cpu\n"
    run, mark = tmp_path / "run", uuid.uuid4().hex
    with training(lists, run, "--restarts", "1", mark=mark) as process:
        wait_for_an_epoch(run, process)
        os.kill(rank_of(mark, 1), signal.SIGKILL)
        out, errors = process.communicate(timeout=TIMEOUT_S)
        assert marked_processes(mark) == []
    assert process.returncode == DONE, errors
    (line,) = (line for line in errors.splitlines() if line.startswith("pptsn: "))
    assert line.startswith("pptsn: note: rank 1 was killed, or crashed")
    assert line.endswith("restart 1 of 1")
    assert digest_of(run) == digest_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("ending", "code"), [(signal.SIGTERM, UNFINISHED), (signal.SIGINT, UNFINISHED), (signal.SIGKILL, LOST)]
)
def test_a_job_that_is_stopped_or_loses_a_rank_leaves_one_line_its_code_and_no_process(
    lists: Path, tmp_path: Path, ending: signal.Signals, code: int
) -> None:
    run, mark = tmp_path / "run", uuid.uuid4().hex
    with training(lists, run, "--set", "optimizer.epochs=500", mark=mark) as process:
        wait_for_an_epoch(run, process)
        os.kill(rank_of(mark, 0) if ending == signal.SIGKILL else process.pid, ending)
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert marked_processes(mark) == []
    assert process.returncode == code, errors
    (line,) = (line for line in errors.splitlines() if "--resume" in line)
    if ending == signal.SIGKILL:
        assert (
            line
            == f"pptsn: error: ranks: rank 0 was killed, or crashed; see {run / 'rank-logs'}; go on with --resume"
        )
    else:
        assert line == f"pptsn: stopped; go on with --resume: checkpoints of {run} are kept"
    assert "Traceback" not in errors
    read_checkpoint(run / "last.pdparams")
