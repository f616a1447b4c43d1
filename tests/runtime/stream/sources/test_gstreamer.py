from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from tests.runtime.stream.sources.looking import frames_and_error, opened, times
from tests.runtime.workers.processes import is_ended
from tests.waiting import wait_until

needs_gstreamer = pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs gstreamer1.0-tools")

START_S = 10.0  # what a pipeline takes at most to give frames, on a busy machine
CAMERA = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=50/1"


def pipelines() -> set[int]:
    """Return the ids of the gst-launch-1.0 that this process has started."""
    own = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = entry.read_text().partition("(")[2].rsplit(")", 1)
        except OSError:  # it has ended
            continue
        state, parent = fields.split()[:2]
        if name.startswith("gst-launch") and int(parent) == os.getpid() and state != "Z":
            own.add(int(entry.parent.name))
    return own


@needs_gstreamer
def test_frames_come_with_the_pipelines_timestamps():
    text = "gst:videotestsrc num-buffers=10 ! video/x-raw,width=66,height=50,framerate=10/1"
    with opened(text, timeout_s=START_S) as source:
        assert source.live
        frames = list(source.frames())
    assert {(c.frame.width, c.frame.height, c.frame.format.name) for c in frames} == {(66, 50, "yuv420p")}
    assert times(frames) == [round(0.1 * number, 3) for number in range(10)]
    assert not pipelines()


@needs_gstreamer
def test_frames_come_at_once():
    with opened(f"gst:{CAMERA}", timeout_s=START_S) as source:
        frames = list(islice(source.frames(), 20))
    late_s = [c.captured_s - c.pts_s for c in frames]
    assert max(late_s) - min(late_s) < 0.5


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "cause"),
    [
        ("nosuchelement ! videoconvert", 'no element "nosuchelement"'),
        ("videotestsrc ! ! videoconvert", "syntax error"),
        ("videotestsrc nosuch=1", "no property"),
        ('videotestsrc pattern="ball', "cannot be split into words"),
        ("filesrc location=/nonexistent ! decodebin", "filesrc0: Resource not found"),
        ("videotestsrc num-buffers=0", "ended without a frame"),
    ],
)
def test_a_pipeline_that_does_not_run_says_why(pipeline: str, cause: str):
    with pytest.raises(InputError) as raised:
        opened(f"gst:{pipeline}")
    assert cause in str(raised.value)
    assert not pipelines()


@needs_gstreamer
def test_a_pipeline_that_fails_on_its_way_says_why_after_its_frames():
    with opened(
        "gst:videotestsrc ! video/x-raw,width=64,height=48 ! identity error-after=5", timeout_s=START_S
    ) as source:
        frames, error = frames_and_error(source)
    assert frames
    assert "identity0: Failed after iterations as requested" in str(error)


@needs_gstreamer
def test_a_pipeline_that_sends_nothing_times_out_and_is_ended():
    with pytest.raises(InputError, match=r"timed out after 0\.5 s"):
        opened("gst[timeout=0.5]:videotestsrc ! identity sleep-time=30000000")
    assert not pipelines()


@pytest.mark.slow
@needs_gstreamer
def test_a_pipeline_that_stalls_is_an_error_after_its_frames():
    with opened(f"gst[timeout=3]:{CAMERA}") as source:
        frames = source.frames()
        next(frames)
        (pipeline,) = pipelines()
        os.kill(pipeline, signal.SIGSTOP)
        with pytest.raises(InputError, match=r"sent nothing for 3 s"):
            list(frames)
    assert not pipelines()


@needs_gstreamer
def test_closing_ends_the_pipeline_even_where_it_hangs():
    source = opened(f"gst:{CAMERA}", timeout_s=START_S)
    (pipeline,) = pipelines()
    os.kill(pipeline, signal.SIGSTOP)
    source.close()
    source.close()
    assert not pipelines()


@needs_gstreamer
def test_the_pipeline_dies_with_its_process():
    code = (
        "import os, signal, sys\n"
        "from tests.runtime.stream.sources.looking import opened\n"
        "from tests.runtime.stream.sources.test_gstreamer import pipelines\n"
        f"source = opened(sys.argv[1], timeout_s={START_S})\n"
        "(pipeline,) = pipelines()\n"
        "os.kill(pipeline, signal.SIGSTOP)\n"
        "print(pipeline, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code, f"gst:{CAMERA}"], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip(), done.stderr
    wait_until(lambda: is_ended(int(done.stdout)))


@needs_gstreamer
def test_credentials_of_a_pipeline_are_not_shown():
    url = "rtsp://admin:sesame@127.0.0.1:1/live"
    with pytest.raises(InputError) as raised:
        opened(f"gst:rtspsrc location={url} user-id=admin user-pw=opensesame ! decodebin")
    assert "sesame" not in repr(raised.value)
    assert "rtsp://127.0.0.1:1/live" in str(raised.value)


@needs_gstreamer
def test_a_secret_that_the_program_repeats_is_masked():
    with pytest.raises(InputError) as raised:
        opened("gst:filesrc location=/nonexistent/sesame password=sesame")
    assert "sesame" not in repr(raised.value)


def test_without_gstreamer_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"gst-launch-1\.0 is missing; apt-get install gstreamer1"):
        opened("gst:videotestsrc")
