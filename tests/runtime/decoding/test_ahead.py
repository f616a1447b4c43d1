"""Frames from a pool of decoders: those that this process would have decoded, whatever the clips are like."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.base.pulse import STALLED_REMEDY, Silence
from pptsn.runtime.decoding import ahead, clips
from pptsn.runtime.decoding.ahead import decoded_ahead
from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame, ClipItem, ClipRestart, Source
from pptsn.runtime.video import open_video
from pptsn.runtime.workers import pool as pools
from tests.clips import write_clip
from tests.models import tiny_spec
from tests.runtime.decoding.sources import all_kinds

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return all_kinds(tmp_path_factory.mktemp("sources"))


def decoded(sources: Iterable[Source], decoders: int, **changes: Any) -> list[tuple[Any, ...]]:
    """Return all that comes, but for times."""
    arguments = {"spec": tiny_spec(), "segments": 4, "rule": "centre"} | changes
    with decoded_ahead(sources, decoders=decoders, **arguments) as feed:
        return [_without_times(item) for item in feed]


def _without_times(item: ClipItem) -> tuple[Any, ...]:
    if isinstance(item, ClipRestart):
        return (item.clip,)
    if isinstance(item, ClipFrame):
        return item.clip, item.weight, item.pixels.shape, item.pixels.tobytes()
    fields = dataclasses.asdict(item)
    assert fields.pop("started_s") > 0
    assert fields.pop("decode_ms") >= 0
    return *fields.values(), type(item.error), str(item.error)


@pytest.mark.parametrize("decoders", [1, 2, 4])
def test_frames_ends_errors_and_warnings_are_those_of_this_process(sources: list[Source], decoders: int) -> None:
    plain = decoded(sources, 0)
    ends = [item for item in plain if len(item) > 4]
    assert [end[0] for end in ends] == list(range(len(sources)))
    assert sum(end[-1] != "None" for end in ends) == 7
    assert sum(bool(end[5]) for end in ends) >= 2  # with warnings
    assert any(len(item) == 1 for item in plain)  # with frames that come anew
    assert [_comparable(item) for item in decoded(sources, decoders)] == [_comparable(item) for item in plain]


def _comparable(item: tuple[Any, ...]) -> tuple[Any, ...]:
    """Errors are not equal to each other; their type and text are in the tuple besides."""
    return tuple(part for part in item if not isinstance(part, Exception))


def test_pictures_too_large_for_a_slot_come_all_the_same(tmp_path: Path) -> None:
    wide = write_clip(tmp_path / "wide.mp4", frames=60, width=640, height=64)
    spec = tiny_spec(resize_rule="keep_aspect")
    plain = decoded([wide] * 4, 0, spec=spec, segments=50)
    assert plain[0][2] == (40, 400, 3)
    assert decoded([wide] * 4, 2, spec=spec, segments=50) == plain


def test_a_clip_of_more_frames_than_there_are_slots_holds_nobody_up(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", frames=151)
    plain = decoded([clip] * 5, 0, segments=150)
    assert len(plain) == 5 * 151
    assert decoded([clip] * 5, 3, segments=150) == plain


def test_no_more_processes_start_than_there_are_clips(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    with decoded_ahead([clip] * 2, tiny_spec(), segments=1, rule="centre", decoders=9) as feed:
        list(feed)
        assert sum(child.name == "decoders" for child in multiprocessing.active_children()) <= 2
    assert decoded([], 3) == []


def test_a_clip_whose_decoder_is_killed_says_so(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=101)
    told: list[str] = []
    with decoded_ahead([clip] * 3, tiny_spec(), segments=100, rule="centre", decoders=1, note=told.append) as feed:
        feed.get()
        (child,) = (child for child in multiprocessing.active_children() if child.name == "decoders")
        os.kill(child.pid or 0, signal.SIGKILL)
        ends = [item for item in feed if isinstance(item, ClipEnd)]
    assert [str(end.error) for end in ends] == [
        f"{clip}: its decoder crashed (SIGKILL); check the file, or use fewer decoders",
        "None",
        "None",
    ]
    assert (ends[0].clip, ends[0].source) == (0, str(clip))
    assert told == []


def test_where_no_process_can_be_started_this_one_decodes(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    plain = decoded(sources[:6], 0)
    monkeypatch.setattr(pools, "FrameSlots", refuse)
    told: list[str] = []
    found = decoded(sources[:6], 4, note=told.append)
    assert [_comparable(item) for item in found] == [_comparable(item) for item in plain]
    assert told == ["no decoders, as the system starts no process (No space left on device)"]


LOADED = """
from pptsn.runtime.decoding import ahead
from pptsn.runtime.workers.pool import Crew, WorkerPool
crew = Crew(count=1, thing="decoders", slots=1, slot_bytes=1, cores=1, preload=ahead._PRELOAD)
# A job is evaluated in the process.
with WorkerPool(eval, ["[' '.join(__import__('sys').modules)]"], crew, is_last=bool, crashed=print) as pool:
    print(pool.get())
"""


def test_a_decoder_loads_what_it_needs_and_no_more() -> None:
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=ROOT, check=True)
    modules = set(ended.stdout.split())
    assert {"av", "cv2", "pptsn.runtime.video.reader"} <= modules
    assert not modules & {"onnxruntime", "paddle", "typer", "rich", "pptsn.runtime.engines", "pptsn.cli"}


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the files called hang-... give nothing until the event is set, as on a disk that hangs."""
    lifted = threading.Event()

    def open_slowly(path: str | Path, **options: Any) -> Any:
        if "hang-" in str(path):
            lifted.wait(60)
        return open_video(path, **options)

    monkeypatch.setattr(clips, "open_video", open_slowly)
    monkeypatch.setattr(ahead, "TICK_S", 0.05)
    monkeypatch.setattr(ahead, "Silence", partial(Silence, 0.3))
    yield lifted
    lifted.set()


@pytest.mark.parametrize(
    "names",
    ["h", *(pytest.param(names, marks=pytest.mark.slow) for names in ("ha", "ah", "haha")), "ahhha", "aaa"],
)
def test_a_file_that_gives_nothing_is_an_error_and_the_others_go_on(
    names: str, tmp_path: Path, hanging: threading.Event
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    paths = [clip if name == "a" else clip.with_name(f"hang-{number}.mp4") for number, name in enumerate(names)]
    with decoded_ahead(paths, tiny_spec(), segments=4, rule="centre") as feed:
        items = list(feed)
    assert [str(item.error or "") for item in items if isinstance(item, ClipEnd)] == [
        "" if name == "a" else f"{path}: gave nothing for 0.3 s; {STALLED_REMEDY}"
        for name, path in zip(names, paths, strict=True)
    ]
    frames = [item.clip for item in items if isinstance(item, ClipFrame)]
    assert frames == [number for number, name in enumerate(names) if name == "a" for _ in range(4)]


def test_leaving_a_file_that_gives_nothing_takes_no_longer_than_a_second(
    tmp_path: Path, hanging: threading.Event
) -> None:
    clip = write_clip(tmp_path / "hang-1.mp4", frames=10)
    feed = decoded_ahead([clip], tiny_spec(), segments=4, rule="centre")
    with pytest.raises(TimeoutError):
        feed.get(0.1)
    began_s = time.monotonic()
    feed.close()
    assert time.monotonic() - began_s < 5


def test_leaving_early_does_not_wait_for_a_long_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    for decoders in (0, 2):
        with decoded_ahead([clip] * 10**4, tiny_spec(), segments=4, rule="centre", decoders=decoders) as feed:
            feed.get()
