from __future__ import annotations

import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.recording import recorder as recorder_module
from pptsn.runtime.stream.recording import video_writer
from pptsn.runtime.stream.recording.canvas import planes_of
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.recording.recorder import Recorder
from tests.clips import ORIENTATIONS, turn_mp4, write_clip
from tests.waiting import wait_until

SUFFIXES = (".mp4", ".ts", ".mkv")
CLOSE_S = 20.0
# Times of a video of varying frame rate, in units of 1 / (25 * 16) s.
VFR = tuple(itertools.accumulate((16, 16, 5, 40, 11, 16, 3, 90) * 6, initial=0))[:48]


def plain(width: int = 320, height: int = 240, level: int = 120) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(planes_of(frame), (level, 128, 128), strict=True):
        plane[:] = value
    return frame


def frames_of(path: Path) -> Iterator[tuple[av.VideoFrame, float]]:
    """Yield the frames of a file and their times from the first one's."""
    with av.open(str(path)) as container:
        first: float | None = None
        for frame in container.decode(video=0):
            first = frame.time if first is None else first
            yield frame, frame.time - first


def times_of(path: Path) -> list[float]:
    return [time_s for _, time_s in frames_of(path)]


def length_of(path: Path) -> float:
    """Return the duration in seconds that the container states."""
    with av.open(str(path)) as container:
        assert container.duration is not None
        return container.duration / av.time_base


def record(source: Path, target: Path, **options: bool) -> Recorder:
    recorder = Recorder(target, hold_back=True, **options)
    for frame, time_s in frames_of(source):
        recorder.offer(frame, time_s)
    assert recorder.close(CLOSE_S)
    assert recorder.error == ""
    return recorder


def labelled(path: Path) -> list[bool]:
    """Return for each frame whether there is a panel in its lower left corner."""
    found = []
    for frame, _ in frames_of(path):
        luma = planes_of(frame).luma
        found.append(bool(np.abs(luma[-40:, 10:100].astype(int) - int(luma[10, 10])).mean() > 20))
    return found


# --- timing ---


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "source",
    [
        {"rate": 25},
        {"rate": 30, "times": tuple(round(number * 480 / 29.97) for number in range(48))},
        {"rate": 10, "options": {"bf": "0", "g": "5"}},
        {"times": VFR},
        {"codec": "mpeg4", "options": {"bf": "2", "g": "10"}},
    ],
    ids=["25", "29.97", "10 without B-frames", "variable", "mpeg4 with B-frames"],
)
def test_every_frame_keeps_its_time_and_the_file_its_length(
    source: dict[str, object], suffix: str, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "source.mp4", **source)  # type: ignore[arg-type]
    target = tmp_path / f"target{suffix}"
    record(clip, target)
    expected = times_of(clip)
    assert times_of(target) == pytest.approx(expected, abs=0.0011)
    last_frame_s = max(expected[-1] - expected[-2], 0.04)
    assert length_of(target) == pytest.approx(length_of(clip), abs=last_frame_s)


def test_the_last_frame_lasts_as_long_as_its_file_states(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    for time_s, duration_s in ((0, 1), (1, 2), (3, 5)):
        frame = plain()
        frame.time_base, frame.duration = Fraction(1, 1000), 1000 * duration_s
        recorder.offer(frame, time_s)
    assert recorder.close(CLOSE_S)
    assert length_of(path) == pytest.approx(8.0, abs=0.01)


def test_frames_at_the_same_time_all_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    for time_s in (0.0, 0.0, 0.0, 0.04):
        recorder.offer(plain(), time_s)
    assert recorder.close(CLOSE_S)
    times = times_of(path)
    assert len(times) == 4
    assert sorted(set(times)) == times


def test_a_recording_begins_with_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    for number in range(25):
        recorder.offer(plain(), 3600 + number / 25)
    assert recorder.close(CLOSE_S)
    assert length_of(path) == pytest.approx(1.0, abs=0.05)


# --- pictures ---


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


def test_a_turned_video_is_recorded_upright(tmp_path: Path) -> None:
    source = turn_mp4(write_clip(tmp_path / "a.mp4", frames=4, width=128, height=64), ORIENTATIONS["clockwise"])
    record(source, tmp_path / "b.mp4")
    assert size_of(tmp_path / "b.mp4") == (64, 128)
    (before, _), (after, _) = next(frames_of(source)), next(frames_of(tmp_path / "b.mp4"))
    expected = np.rot90(before.to_ndarray(format="rgb24"), -1).astype(int)
    assert np.abs(after.to_ndarray(format="rgb24").astype(int) - expected).mean() < 12


def test_odd_sizes_are_made_even_and_pixels_square(tmp_path: Path) -> None:
    for name, (width, height), aspect, expected in (
        ("odd", (101, 75), 1.0, (100, 76)),
        ("wide", (88, 72), 16 / 11, (128, 72)),
        ("one", (1, 1), 1.0, (2, 2)),
    ):
        path = tmp_path / f"{name}.mkv"
        recorder = Recorder(path, hold_back=True)
        rgb = av.VideoFrame.from_ndarray(np.full((height, width, 3), 200, np.uint8), format="rgb24")
        recorder.offer(rgb, 0.0, pixel_aspect=aspect)
        assert recorder.close(CLOSE_S)
        assert recorder.error == ""
        assert size_of(path) == expected
        decoded = next(frames_of(path))[0].to_ndarray(format="rgb24").astype(int)
        assert np.abs(decoded - 200).max() <= 8


def test_a_frame_of_another_shape_is_letterboxed_to_the_first_one_s_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    for number, (width, height) in enumerate(((320, 240), (240, 320), (640, 240), (640, 480))):
        recorder.offer(plain(width, height, level=180), number / 25)
    assert recorder.close(CLOSE_S)
    assert size_of(path) == (320, 240)
    lumas = [planes_of(frame).luma.astype(int) for frame, _ in frames_of(path)]
    shares = [float((luma > 150).mean()) for luma in lumas]
    assert shares == pytest.approx([1, 180 / 320, 120 / 240, 1], abs=0.03)
    assert lumas[1][:, :60].max() < 30 > lumas[1][:, 265:].max()
    assert lumas[2][:50].max() < 30 > lumas[2][190:].max()


@pytest.mark.parametrize(
    "pixel_format", ["yuvj422p", "nv12", "rgb24", "gray", "yuv420p10le", "yuyv422", "yuvj420p"]
)
def test_frames_of_any_format_keep_their_brightness(pixel_format: str, tmp_path: Path) -> None:
    pixels = np.full((64, 64, 3), 40, np.uint8)
    pixels[:, 32:] = 220
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True)
    recorder.offer(frame, 0.0)
    assert recorder.close(CLOSE_S)
    decoded = next(frames_of(tmp_path / "a.mp4"))[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(decoded - pixels)[:, [5, 58]].max() <= 6


@pytest.mark.parametrize("colour_space", [1, 5])  # of BT.709 and BT.601
@pytest.mark.parametrize("colour_range", [1, 2])  # limited and full
def test_colours_stay_whatever_the_source_states(colour_range: int, colour_space: int, tmp_path: Path) -> None:
    frame = plain(64, 64, level=180)
    planes_of(frame).blue[:], planes_of(frame).red[:] = 100, 150
    frame.color_range, frame.colorspace = colour_range, colour_space
    expected = frame.to_ndarray(format="rgb24").astype(int)
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True)
    recorder.offer(frame, 0.0)
    assert recorder.close(CLOSE_S)
    decoded = next(frames_of(tmp_path / "a.mp4"))[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(decoded - expected).max() <= 4


def test_the_frames_that_are_offered_are_left_as_they_are(tmp_path: Path) -> None:
    frames = [plain() for _ in range(5)]
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True)
    recorder.show(Overlay(0.0, (("archery", 0.9),), "archery"))
    for number, frame in enumerate(frames):
        recorder.offer(frame, number / 25)
    assert recorder.close(CLOSE_S)
    assert labelled(tmp_path / "a.mp4") == [True] * 5
    assert all((planes_of(frame).luma == 120).all() for frame in frames)


# --- labels ---


def test_labels_change_at_their_own_frames_however_late_they_come(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    shown = {
        20: Overlay(20 / 25, (("archery", 0.9),)),
        40: Overlay(40 / 25),
        60: Overlay(60 / 25, (("archery", 0.5),)),
    }

    asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def answer() -> None:
        while (number := asked.get()) is not None:
            time.sleep(0.05)
            if number in shown:
                recorder.show(shown[number])
            else:
                recorder.answered(number / 25)

    thread = threading.Thread(target=answer)
    thread.start()
    for number in range(75):
        if number % 10 == 0:
            recorder.expect(number / 25)
            asked.put(number)
        recorder.offer(plain(), number / 25)
    asked.put(None)
    thread.join(10)
    assert recorder.close(CLOSE_S)
    assert labelled(path) == [20 <= number < 40 or number >= 60 for number in range(75)]


def test_a_frame_waits_for_the_answers_up_to_its_time_and_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    recorder = Recorder(path, hold_back=True)
    recorder.expect(0.0)
    recorder.offer(plain(), 0.0)
    time.sleep(0.3)
    assert not path.exists()
    recorder.answered(0.0)
    wait_until(path.exists)
    assert recorder.close(CLOSE_S)


def test_without_holding_back_frames_carry_the_last_labels_known(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=False)
    recorder.expect(0.0)
    for number in range(10):
        recorder.offer(plain(), number / 25)
    wait_until(lambda: not recorder._waiting)  # the label of each is chosen as it is taken
    recorder.show(Overlay(0.2, (("archery", 0.9),)))
    for number in range(10, 20):
        recorder.offer(plain(), number / 25)
    assert recorder.close(CLOSE_S)
    assert labelled(path) == [False] * 10 + [True] * 10


def test_at_the_end_what_waits_is_recorded_with_the_last_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True)
    recorder.show(Overlay(0.0, (("archery", 0.9),)))
    recorder.expect(0.2)
    for number in range(10):
        recorder.offer(plain(), number / 25)
    assert recorder.close(CLOSE_S)
    assert labelled(path) == [True] * 10


# --- a queue that is full ---


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold every encoder until the event is set."""
    released = threading.Event()
    write = video_writer.VideoWriter.write

    def slow(*arguments: object) -> None:
        released.wait(30)
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(video_writer.VideoWriter, "write", slow)
    yield released
    released.set()


@pytest.mark.parametrize("limits", [{"queue_frames": 4}, {"queue_bytes": 3 * 320 * 240 * 3 // 2 + 100}])
def test_a_slow_encoder_never_holds_a_live_source(
    held: threading.Event, limits: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=False, **limits)
    began_s = time.monotonic()
    for number in range(100):
        recorder.offer(plain(), number / 25)
    assert time.monotonic() - began_s < 5
    assert 100 - 6 <= recorder.dropped <= 100 - 3
    held.set()
    assert recorder.close(CLOSE_S)
    assert len(times_of(path)) == 100 - recorder.dropped


def test_a_slow_encoder_loses_no_frame_of_a_file(held: threading.Event, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorder = Recorder(path, hold_back=True, queue_frames=4)
    offered: list[int] = []

    def offer() -> None:
        for number in range(60):
            recorder.offer(plain(), number / 25)
            offered.append(number)

    thread = threading.Thread(target=offer)
    thread.start()
    time.sleep(0.3)
    assert len(offered) <= 6
    held.set()
    thread.join(20)
    assert recorder.close(CLOSE_S)
    assert recorder.dropped == 0
    assert len(times_of(path)) == 60


def test_a_frame_larger_than_the_queue_is_taken_all_the_same(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True, queue_bytes=10)
    for number in range(5):
        recorder.offer(plain(), number / 25)
    assert recorder.close(CLOSE_S)
    assert len(times_of(tmp_path / "a.mp4")) == 5


def test_closing_frees_who_waits_and_says_when_it_takes_too_long(held: threading.Event, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True, queue_frames=1)
    thread = threading.Thread(target=lambda: [recorder.offer(plain(), number / 25) for number in range(9)])
    thread.start()
    time.sleep(0.2)
    assert not recorder.close(0.2)
    thread.join(5)
    assert not thread.is_alive()
    held.set()
    assert recorder.close(CLOSE_S)


# --- failures ---


def test_an_unknown_kind_of_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown kind of video '.avi'; use one of .mp4"):
        Recorder(tmp_path / "a.avi", hold_back=True)


def test_no_frame_makes_no_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True)
    assert recorder.close(CLOSE_S)
    assert recorder.close(CLOSE_S)
    assert (recorder.error, list(tmp_path.iterdir())) == ("", [])


def test_missing_folders_are_made(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "deep" / "er" / "a.mp4", hold_back=True)
    recorder.offer(plain(), 0.0)
    assert recorder.close(CLOSE_S)
    assert len(times_of(tmp_path / "deep" / "er" / "a.mp4")) == 1


def check_failed(recorder: Recorder, cause: str) -> None:
    """Offer frames until the recording fails, and then some; none of them may wait for long."""
    began_s = time.monotonic()
    rng = np.random.default_rng(1)
    for number in range(200):
        noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        recorder.offer(av.VideoFrame.from_ndarray(noise, format="rgb24"), number / 25)
        recorder.show(Overlay(number / 25))
        if recorder.error and number > 20:
            break
    assert recorder.close(CLOSE_S)
    assert time.monotonic() - began_s < 30
    assert str(recorder._path) in recorder.error
    assert cause in recorder.error
    assert "\n" not in recorder.error


@pytest.mark.parametrize("hold_back", [True, False])
def test_a_place_that_cannot_be_written_ends_the_recording_alone(hold_back: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_failed(Recorder(tmp_path / "file" / "a.mp4", hold_back=hold_back, queue_frames=4), "recording ended")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_ends_the_recording_alone(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    check_failed(Recorder(tmp_path / f"full{suffix}", hold_back=True, queue_frames=4), "No space left on device")


def test_an_error_of_the_program_frees_the_capture_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    monkeypatch.setattr(recorder_module, "Drawer", None)
    recorder = Recorder(tmp_path / "a.mp4", hold_back=True, queue_frames=1)
    for number in range(5):
        recorder.offer(plain(), number / 25)
    assert recorder.close(CLOSE_S)


CHILD = """
import resource, sys
import av, numpy as np
from pptsn.runtime.stream.recording.recorder import Recorder
path, limit = sys.argv[1], int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
recorder = Recorder(path, hold_back=True)
rng = np.random.default_rng(1)
noise = [av.VideoFrame.from_ndarray(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)) for _ in range(5)]
for number in range(100_000):
    recorder.offer(noise[number % 5], number / 25)
    if recorder.error:
        break
print(recorder.close(20.0), recorder.error)
"""


def child(path: Path, limit: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[4]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(limit)], stdout=subprocess.PIPE, text=True, cwd=root
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.slow
def test_after_a_kill_the_file_is_playable(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    process = child(path, 0)
    try:
        wait_until(lambda: path.exists() and path.stat().st_size > 2_000_000)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
    times = []
    with av.open(str(path)) as container, suppress(av.error.InvalidDataError):  # the packet that was being written
        for frame in container.decode(video=0):
            times.append(frame.time)
    assert len(times) >= 50
    assert np.diff(times) == pytest.approx(1 / 25, abs=0.0021)


def test_a_disk_that_fills_leaves_what_was_written_and_the_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    process = child(path, 1_500_000)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.startswith(f"True {path}: the recording ended (File too large); choose a writable place")
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).width == 160


def test_where_libx264_is_missing_the_recording_is_mpeg4_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (recorder_module, video_writer):
        monkeypatch.setattr(module, "encoder_name", lambda: "mpeg4")
    clip = write_clip(tmp_path / "source.mp4", times=VFR)
    for suffix in SUFFIXES:
        recorder = record(clip, tmp_path / f"target{suffix}")
        assert "no libx264" in recorder.note
        target = tmp_path / f"target{suffix}"
        with av.open(str(target)) as container:
            assert container.streams.video[0].codec_context.name == "mpeg4"
        assert times_of(target) == pytest.approx(times_of(clip), abs=0.0011)


def test_the_encoder_is_libx264_where_there_is_one() -> None:
    assert video_writer.encoder_name() == ("libx264" if "libx264" in av.codecs_available else "mpeg4")
