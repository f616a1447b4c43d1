"""The process of one source: what it says, how it is ended, the memory that it shares."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.engines.device import driver_is_here
from pptsn.runtime.frames.preprocess import Frame, resize_frame
from pptsn.runtime.stream.capture.process import CaptureProcess
from pptsn.runtime.stream.capture.protocol import (
    Answered,
    CaptureJob,
    Ended,
    FromCapture,
    LivePicture,
    Opened,
    Progress,
    Remark,
    Sampled,
    WantPictures,
)
from pptsn.runtime.stream.recording.overlay import VideoFile
from pptsn.runtime.stream.sources.uri import parse_source
from pptsn.runtime.video import open_video
from tests.clips import X264, decode_plainly, packet_places, turn_by_message, write_clip
from tests.runtime.stream.sources.servers import WebServer, trickling
from tests.waiting import SOON_S, WAIT_S


def job_for(source: object, **changes: object) -> CaptureJob:
    values = {
        "uri": parse_source(str(source)),
        "stream": "s",
        "session": 0,
        "step_s": 0.1,
        "max_gap_s": 2.0,
        "short_side": 40,
        "resize_rule": "fixed_ratio",
        "timeout_s": 2.0,
        "realtime": False,
        "waits": True,
        "frozen_after_s": 0.0,
    }
    return CaptureJob(**(values | changes))  # type: ignore[arg-type]


def hear(process: CaptureProcess, *, free: bool = True) -> tuple[list[FromCapture], list[Frame]]:
    """Return all messages to the end, and copies of the frames."""
    messages: list[FromCapture] = []
    frames: list[Frame] = []
    deadline_s = time.monotonic() + WAIT_S
    while not (messages and isinstance(messages[-1], Ended)):
        assert time.monotonic() < deadline_s
        message = process.receive(0.1)
        if message is None:
            continue
        messages.append(message)
        if isinstance(message, Sampled):
            frames.append(process.pixels(message).copy())
            if free:
                process.free(message)
    return messages, frames


@pytest.mark.skipif(driver_is_here(), reason="is about machines without a GPU")
def test_what_is_to_be_known_of_a_source_is_told(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    with CaptureProcess(job_for(f"{clip}?decoder=cuda"), slots=2) as process:
        messages, _ = hear(process)
    remarks = [message for message in messages if isinstance(message, Remark)]
    assert remarks == [Remark("decoder=cuda: there is no NVIDIA driver; decoding in software", once=True)]
    assert messages[-1].counts.decoded == 4  # type: ignore[union-attr]


def test_frames_are_those_of_the_file_resized(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    with CaptureProcess(job_for(clip), slots=2) as process:
        messages, frames = hear(process)
    assert isinstance(messages[0], Opened)
    assert not messages[0].live
    assert messages[-1] == Ended(messages[-1].counts)  # type: ignore[union-attr]
    assert messages[-1].counts.decoded == 30  # type: ignore[union-attr]
    with open_video(clip) as video:
        whole = [resize_frame(frame.pixels, short_side=40, rule="fixed_ratio") for frame in video]
    sampled = [message for message in messages if isinstance(message, Sampled)]
    assert [message.stamp.slot for message in sampled] == list(range(12))
    assert {(message.stamp.stream, *message.stamp.stretch) for message in sampled} == {("s", 0, 0)}
    for message, pixels in zip(sampled, frames, strict=True):
        np.testing.assert_array_equal(pixels, whole[round(message.stamp.time_s * 25)])
        assert message.source_size == (96, 64)
        assert message.stamp.captured_s <= message.stamp.decoded_s <= time.monotonic()


def test_a_picture_too_long_for_a_slot_comes_all_the_same(tmp_path: Path):
    clip = write_clip(tmp_path / "wide.mp4", frames=6, width=320, height=64)
    with CaptureProcess(job_for(clip, resize_rule="keep_aspect"), slots=1) as process:
        _, frames = hear(process)
    assert frames[0].shape == (40, 200, 3)
    with open_video(clip) as video:
        first = resize_frame(next(iter(video)).pixels, short_side=40, rule="keep_aspect")
    np.testing.assert_array_equal(frames[0], first)


@pytest.mark.slow
def test_a_live_source_that_is_joined_between_key_frames_is_heard_of_until_one_comes(tmp_path: Path):
    options = {"g": "200", "bf": "0", "sc_threshold": "0"}
    whole = write_clip(tmp_path / "a.ts", frames=230, options=options)
    data, third = whole.read_bytes(), packet_places(whole)[2][0]
    # The tables and what describes the pictures, but no whole one; FFmpeg looks at 3 s of them before it is open.
    body = data[: 188 * 3] + data[third // 188 * 188 :]
    server = WebServer(tmp_path, {"/live": trickling("video/mp2t", body, parts=30, pause_s=0.1)})
    try:
        with CaptureProcess(job_for(f"http://{server.host}/live"), slots=40) as process:
            messages, _ = hear(process)
    finally:
        server.close()
    sampled = next(number for number, message in enumerate(messages) if isinstance(message, Sampled))
    assert any(isinstance(message, Progress) for message in messages[:sampled])


@pytest.mark.slow
def test_a_live_source_whose_key_frames_cannot_be_decoded_is_not_waited_for(tmp_path: Path):
    part = b"--abc\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nhello\r\n"
    body = trickling("multipart/x-mixed-replace; boundary=abc", part * 300, parts=30, pause_s=0.1)
    server = WebServer(tmp_path, {"/live.mjpg": body})
    try:
        with CaptureProcess(job_for(f"http://{server.host}/live.mjpg"), slots=40) as process:
            messages, frames = hear(process)
    finally:
        server.close()
    assert not frames
    assert not any(isinstance(message, Progress) for message in messages)


def test_one_that_waits_loses_nothing_and_one_that_does_not_says_what_it_dropped():
    source = "synthetic:?frames=100&fps=25"
    with CaptureProcess(job_for(source, step_s=1 / 25), slots=3) as process:
        time.sleep(0.5)
        assert len(hear(process)[1]) == 100
    with CaptureProcess(job_for(source, step_s=1 / 25, waits=False), slots=3) as process:
        messages, frames = hear(process, free=False)
        assert len(frames) == 3
        assert messages[-1].counts.dropped == 97  # type: ignore[union-attr]


def test_stop_ends_it_in_order():
    with CaptureProcess(job_for("synthetic:?live=1&fps=50"), slots=3) as process:
        threading.Timer(0.5, process.stop).start()
        messages, _ = hear(process)
        assert messages[-1].cause == ""  # type: ignore[union-attr]


def test_stop_ends_one_that_waits_for_room():
    with CaptureProcess(job_for("synthetic:?fps=50"), slots=1) as process:
        threading.Timer(0.5, process.stop).start()
        messages, _ = hear(process, free=False)
        assert sum(isinstance(message, Sampled) for message in messages) == 1


def test_what_cannot_be_opened_is_told():
    with CaptureProcess(job_for("/nowhere/clip.mp4"), slots=1) as process:
        (ended,), _ = hear(process)
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.hopeless, ended.exit_code) == ("there is no such file", False, 1)


def test_a_crash_is_an_end_without_a_word():
    with CaptureProcess(job_for("synthetic:?live=1"), slots=2) as process:
        while not isinstance(process.receive(5), Sampled):
            pass
        os.kill(process._process.pid or 0, signal.SIGSEGV)
        with pytest.raises(EOFError):
            while True:
                process.receive(5)
        assert process.exit_cause() == "its decoder crashed (SIGSEGV)"


def test_pictures_come_only_when_they_are_wanted():
    with CaptureProcess(job_for("synthetic:?live=1&fps=50&size=320x240"), slots=50) as process:
        deadline_s = time.monotonic() + 0.6
        while time.monotonic() < deadline_s:
            assert not isinstance(process.receive(0.05), LivePicture)
        process.send(WantPictures(True))
        message: FromCapture | None = None
        deadline_s = time.monotonic() + 10
        while not isinstance(message, LivePicture):
            assert time.monotonic() < deadline_s
            message = process.receive(0.1)
        assert message.jpeg[:2] == b"\xff\xd8"
        assert (message.width, message.height) == (320, 240)


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.hevc", "libx265")])
def test_the_preview_and_the_recording_show_what_the_model_sees(name: str, codec: str, tmp_path: Path):
    options = X264 | {"bf": "0"} if codec == "libx264" else {"x265-params": "log-level=none:keyint=12:bframes=0"}
    clip = write_clip(tmp_path / name, frames=40, codec=codec, options=options)
    upright = [np.rot90(pixels) for pixels in decode_plainly(clip)]
    turn_by_message(clip)
    recorded = tmp_path / "recorded.mp4"
    job = job_for(f"{clip}?fps=25", realtime=True, waits=False, video=VideoFile(str(recorded)))
    with CaptureProcess(job, slots=2) as process:
        process.send(WantPictures(True))
        messages, seen = hear(process)
    previews = [message for message in messages if isinstance(message, LivePicture)]
    assert len(previews) > 4, "from the first frame, which says how all are held, to the last"
    assert {(made.width, made.height) for made in previews} == {(64, 96)}
    shown = list(decode_plainly(recorded))
    assert len(shown) > 30
    for number, pixels in enumerate(shown):
        assert np.abs(pixels.astype(int) - upright[number]).mean() < 20, number
    assert {frame.shape for frame in seen} == {(53, 40, 3)}


def test_what_a_process_is_told_while_it_is_behind_reaches_it_later():
    with CaptureProcess(job_for("synthetic:?live=1"), slots=2) as process:
        while not isinstance(process.receive(5), Sampled):
            pass
        pid = process._process.pid or 0
        os.kill(pid, signal.SIGSTOP)
        began_s = time.monotonic()
        for _ in range(5000):
            process.send(Answered(0.0))
        process.stop()
        assert time.monotonic() - began_s < SOON_S
        os.kill(pid, signal.SIGCONT)
        messages, _ = hear(process)
        assert messages[-1].cause == ""  # type: ignore[union-attr]


def test_a_start_that_fails_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(24, "Too many open files")

    with CaptureProcess(job_for("synthetic:?frames=1"), slots=1) as process:
        hear(process)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("pptsn.runtime.stream.capture.process.CaptureProcess._start", "multiprocessing.connection.Pipe"):
        with monkeypatch.context() as patch:
            patch.setattr(name, refuse)
            for _ in range(3):
                with pytest.raises(OSError, match="Too many"):
                    CaptureProcess(job_for("synthetic:?frames=1"), slots=1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_frames_are_shared_without_memfd_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("os.memfd_create")
    with CaptureProcess(job_for("synthetic:?frames=20&fps=10"), slots=2) as process:
        assert len(hear(process)[1]) == 20


def test_closing_one_that_hangs_is_quick_and_leaves_nothing():
    process = CaptureProcess(job_for("synthetic:?live=1"), slots=2)
    while not isinstance(process.receive(5), Sampled):
        pass
    pid = process._process.pid or 0
    os.kill(pid, signal.SIGSTOP)
    began_s = time.monotonic()
    process.close()
    process.close()
    assert time.monotonic() - began_s < SOON_S
    assert not Path(f"/proc/{pid}").exists()
