"""A cell's process: what it gives, and how its end is told when it gives nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.benchmarks.sweep.cells import Cell, Findings, Job
from pptsn.benchmarks.sweep.clips import read_clips
from pptsn.benchmarks.sweep.process import PROGRAM, ROOT, CellError, find_in_child, read, write
from tests.benchmarks.sweep.findings import findings
from tests.models import write_tiny_model


def new_job(model: Path, folder: Path, **changes: Any) -> Job:
    """Return a job on the clips in `folder`; `changes`: fields of it or of its cell."""
    clips = read_clips(folder / "test.txt")
    cell = {"backend": "auto", "device": "cpu", "views": "ten", "segments": 3, "batch": None}
    values = {
        "clips": clips,
        "timed": tuple(range(len(clips))),
        "answer_all": True,
        "repeats": 2,
        "repeat_s": 0.005,
        "repeat_iterations": 5,
    }
    changed_cell = {name: changes.pop(name, value) for name, value in cell.items()}
    return Job(cell=Cell(model=model, **changed_cell), **(values | changes))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_what_goes_in_and_comes_out_survives_the_way(clips_folder: Path, tmp_path: Path) -> None:
    job = new_job(Path("m\udcff.onnx"), clips_folder)
    write(job, tmp_path / "job.json")
    assert read(tmp_path / "job.json", Job) == job
    for found in (findings(), findings(answers=None)):
        write(found, tmp_path / "findings.json")
        assert read(tmp_path / "findings.json", Findings) == found


def test_it_measures_readable_clips_and_names_the_others(clips_folder: Path, tmp_path: Path) -> None:
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, batch=4)
    found = find_in_child(job, timeout_s=60)
    assert (found.precision, found.classes, found.batch_size, found.views_per_crop) == ("fp32", 4, 4, 2)
    assert found.answers is not None
    assert {place: top[0] for place, top in found.answers.items()} == {0: 0, 1: 1, 2: 2, 3: 1}
    ((path, reason),) = found.unreadable.items()
    assert path.endswith("broken.mp4")
    assert reason
    # Five lines, one of which cannot be read; every repeat goes through all of the four equally often.
    assert found.clips_timed == 4
    assert all(len(times) % 4 == 0 for times in found.latency_ms)
    assert sum(len(times) for times in found.latency_ms) >= 10
    # Three frames of five crops each, with the mirror in the graph.
    assert all(run.crops == 15 * run.clips and run.clips % 4 == 0 for run in found.folder_runs)
    assert len(found.latency_ms) == len(found.folder_runs) == 2


def test_a_frame_that_is_chosen_several_times_counts_once_as_crops(clips_folder: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", mirror=False)
    # Six frames in the clips, and so frame 0 alone of them for 25 segments.
    found = find_in_child(new_job(model, clips_folder, segments=25, answer_all=False), timeout_s=60)
    assert all(run.crops == 10 * run.clips for run in found.folder_runs)
    assert found.views_per_crop == 1
    assert found.answers is None


@pytest.mark.slow
def test_its_memory_is_its_own(clips_folder: Path, tmp_path: Path) -> None:
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, repeats=1)
    own = np.ones(100_000_000)  # 800 MB of this process, which its child has nothing of
    peak_mb = find_in_child(job, timeout_s=60).peak_memory_mb
    assert own[-1] == 1
    assert 20 < peak_mb < 600


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("none.onnx", None, r"none\.onnx: cannot be read"),
        ("broken.onnx", b"no model", r"broken\.onnx: is no ONNX model"),
        ("killed.onnx", b"", "ended by SIGKILL, as the system does where memory runs out"),
        ("raises.onnx", b"", "failed with status 1: RuntimeError: all went wrong"),
    ],
)
def test_its_failure_is_one_line(
    clips_folder: Path, tmp_path: Path, unruly: str, name: str, content: bytes | None, cause: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CellError, match=cause) as caught:
        find_in_child(new_job(tmp_path / name, clips_folder), timeout_s=60, program=unruly)
    assert "\n" not in str(caught.value)


def test_a_list_without_a_readable_clip_is_an_error(clips_folder: Path, tmp_path: Path) -> None:
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, timed=(4,))
    with pytest.raises(CellError, match=r"broken\.mp4: none of the 1 clips to time can be read"):
        find_in_child(job, timeout_s=60)


def test_after_its_time_it_is_ended(clips_folder: Path, tmp_path: Path, unruly: str) -> None:
    job = new_job(tmp_path / "slow.onnx", clips_folder)
    with pytest.raises(CellError, match=r"no result within 1\.5 s; .* --cell-timeout"):
        find_in_child(job, timeout_s=1.5, program=unruly)
    assert not is_alive(int(job.cell.model.read_text()))


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_it_too(clips_folder: Path, tmp_path: Path, unruly: str) -> None:
    job = new_job(tmp_path / "interrupts.onnx", clips_folder)
    with pytest.raises(KeyboardInterrupt):
        find_in_child(job, timeout_s=60, program=unruly)
    assert not is_alive(int(job.cell.model.read_text()))


def test_it_does_not_outlive_who_started_it(clips_folder: Path, tmp_path: Path) -> None:
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, repeat_s=150.0)
    write(job, tmp_path / "job.json")
    command = [sys.executable, "-c", PROGRAM, ROOT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            time.sleep(2)
            assert process.poll() is None
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(10) == 1
        finally:
            process.kill()
