"""Frames that are looked up are those that a decode from the beginning yields, and few others are decoded."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video import Restart, VideoFrame
from pptsn.runtime.video.container import OpenVideo, open_container
from pptsn.runtime.video.index import video_packets
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.video.reader import VideoReader
from pptsn.runtime.video.seek import Effort, IndexSurpriseError, Run, RunDecoder, plan_runs, read_by_seeking
from tests.clips import X264, decode_plainly, write_clip

OPEN_GOP = X264 | {"x264-params": "open-gop=1"}
REFRESH = X264 | {"bf": "0", "x264-params": "intra-refresh=1"}
X265 = {"x265-params": "keyint=12:min-keyint=12:bframes=3:log-level=none:pools=1:frame-threads=1"}
VPX = {"g": "12", "deadline": "realtime", "cpu-used": "8"}
UNEVEN = [40 * i + 17 * (i % 3) for i in range(48)]

SEEKABLE: dict[str, tuple[str, dict[str, object]]] = {
    "h264 mp4": ("a.mp4", {}),
    "h264 mkv": ("a.mkv", {}),
    "h264 ts": ("a.ts", {}),
    "h264 flv": ("a.flv", {}),
    "h264 open gop mp4": ("a.mp4", {"options": OPEN_GOP}),
    "h264 open gop ts": ("a.ts", {"options": OPEN_GOP}),
    "h264 uneven times": ("a.mp4", {"times": UNEVEN}),
    "h264 10 bit": ("a.mp4", {"pix_fmt": "yuv420p10le"}),
    "hevc mp4": ("a.mp4", {"codec": "libx265", "options": X265}),
    "hevc ts": ("a.ts", {"codec": "libx265", "options": X265}),
    "mpeg4 mp4": ("a.mp4", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    "mpeg2 ts": ("a.ts", {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}}),
    "vp8": ("a.webm", {"codec": "libvpx", "options": VPX}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "options": VPX}),
}
NOT_SEEKABLE: dict[str, tuple[str, dict[str, object]]] = {
    "mpeg4 avi": ("a.avi", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    "h264 without times": ("a.h264", {}),
    "gif": ("a.gif", {"codec": "gif", "pix_fmt": "rgb8", "options": {}}),
}
# Single frames around key frames (12, 24, 36), leading frames of open groups among them, and sets of frames.
REQUESTS = [[0], [9], [10], [11], [12], [13], [23], [24], [35], [36], [47], [5, 17, 29], [0, 47], list(range(48))]


def make(folder: Path, clip: tuple[str, dict[str, object]]) -> Path:
    name, options = clip
    return write_clip(folder / name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [*SEEKABLE, *NOT_SEEKABLE])
def test_frames_read_are_those_of_a_sequential_decode(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, (SEEKABLE | NOT_SEEKABLE)[kind])
    expected = list(decode_plainly(path))
    with VideoReader(path) as video:
        assert video.frame_count() == len(expected) == 48
        for request in REQUESTS:
            frames = video.read(request)
            assert [frame.index for frame in frames] == request
            for frame in frames:
                np.testing.assert_array_equal(frame.pixels, expected[frame.index], err_msg=str(request))
        assert video.seeks == (kind in SEEKABLE)
        assert (video.lost_frames, video.warnings) == (0, [])


@pytest.mark.parametrize("kind", SEEKABLE)
def test_seeking_decodes_little(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, SEEKABLE[kind])
    with VideoReader(path) as video:
        video.read([26, 28])
        # From the key frame 24 (in an open group 12) on, a few packets.
        assert video.effort.packets <= (24 if "open" in kind or "hevc" in kind else 14)
        assert video.effort.runs == 1


@pytest.mark.parametrize("kind", [k for k in SEEKABLE if k not in ("vp8", "vp9")])
def test_frames_that_no_other_refers_to_are_left_out(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, SEEKABLE[kind])
    with VideoReader(path) as video:
        video.read([0, 11, 23, 35, 47])
        assert video.effort.packets > 30
        assert video.effort.frames <= 0.75 * video.effort.packets


def test_frames_far_apart_are_reached_by_seeking_and_near_ones_without(tmp_path: Path) -> None:
    with VideoReader(write_clip(tmp_path / "a.mp4")) as video:
        video.read([13, 15, 17, 40])
        assert video.effort.runs == 2


def test_a_single_key_frame_still_lets_frames_be_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", options=X264 | {"g": "250", "keyint_min": "250"})
    with VideoReader(path) as video:
        frames = video.read([30])
        assert video.effort.packets >= 30
        assert video.effort.frames <= 20
    np.testing.assert_array_equal(frames[0].pixels, list(decode_plainly(path))[30])


def test_key_frames_that_need_what_came_before_are_not_begun_at(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", options=REFRESH)
    with VideoReader(path) as video:
        frames = video.read([30])
        assert video.index.keys.tolist() == [0]
        assert video.seeks
    np.testing.assert_array_equal(frames[0].pixels, list(decode_plainly(path))[30])


def test_several_decoders_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=96)
    expected = list(decode_plainly(path))
    monkeypatch.setattr("pptsn.runtime.video.seek._PARALLEL_PIXELS", 0)
    monkeypatch.setattr("pptsn.runtime.video.seek.available_cores", lambda: 4)
    with VideoReader(path) as video:
        for _ in range(3):
            for frame in video.read([3, 16, 30, 41, 55, 62, 75, 90]):
                np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        assert video.seeks
        assert video.effort.runs == 24


def _sizes_wrong(video: VideoReader) -> None:
    video._index = dataclasses.replace(video.index, sizes=video.index.sizes + 1)


def _times_wrong(video: VideoReader) -> None:
    video._index = dataclasses.replace(video.index, pts=video.index.pts + 1, _positions={})


def _seeks_wrong(video: VideoReader) -> None:
    late = {key: time + 10_000 for key, time in video.index.seek_times.items()}
    video._index = dataclasses.replace(video.index, seek_times=late)


def _hidden_frame(video: VideoReader) -> None:
    ranks = video.index.ranks.copy()
    ranks[video.index.presented[24]] = -1  # a key frame, the first that comes out after a seek
    video._index = dataclasses.replace(video.index, ranks=ranks)


@pytest.mark.parametrize("fault", [_sizes_wrong, _times_wrong, _seeks_wrong, _hidden_frame])
def test_an_index_that_proves_wrong_is_not_used(fault: Callable[[VideoReader], None], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    expected = list(decode_plainly(path))
    with VideoReader(path) as video:
        fault(video)
        frames = video.read([15, 26, 45])
        assert not video.seeks
    for frame in frames:
        np.testing.assert_array_equal(frame.pixels, expected[frame.index])


def test_frames_given_before_the_index_proves_wrong_come_anew(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    expected = list(decode_plainly(path))
    with VideoReader(path) as video:
        sizes = video.index.sizes.copy()
        sizes[40] += 1
        video._index = dataclasses.replace(video.index, sizes=sizes)
        items = list(video.sampled(lambda count: [5, 17, 45]))
    assert [item.index if isinstance(item, VideoFrame) else item for item in items] == [
        5,
        17,
        Restart(),
        5,
        17,
        45,
    ]
    for frame in items[3:]:
        assert isinstance(frame, VideoFrame)
        np.testing.assert_array_equal(frame.pixels, expected[frame.index])


def test_a_missing_frame_is_noticed_where_none_is_left_out_on_purpose(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.webm", codec="libvpx", options=VPX)
    with VideoReader(path) as video:
        ranks = video.index.ranks.copy()
        ranks[16:] += 1  # as if packet 16 gave two frames
        index = dataclasses.replace(video.index, ranks=ranks)
        with pytest.raises(IndexSurpriseError, match="came out after"):
            list(read_by_seeking(path, index, [20], area=1, effort=Effort()))


def test_a_wanted_frame_that_does_not_come_out_is_noticed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    index = VideoReader(path).index
    video = open_container(path)
    decoder = RunDecoder(video, index, PictureMaker("a.mp4", None), effort=Effort(), surprised=threading.Event())
    with pytest.raises(IndexSurpriseError, match="1 frames did not come out"):
        list(decoder.decode(Run(0, 5, {2: 1, 9: 9})))
    decoder.close()


def test_runs_that_overlap_are_decoded_together(tmp_path: Path) -> None:
    # In an open group the frames shown before a key frame follow it in the file.
    with VideoReader(write_clip(tmp_path / "a.mp4", options=OPEN_GOP)) as video:
        index = video.index
        led = [int(index.ranks[p]) for k in index.keys[1:] for p in range(k, k + 6) if index.pts[p] < index.pts[k]]
        assert led, "the clip has no open groups"
        for frame in led:
            runs = plan_runs(index, [frame, frame + 4, 47])
            assert all(a.last < b.start for a, b in itertools.pairwise(runs))
            assert runs[0].start < index.keys[np.searchsorted(index.keys, index.presented[frame], "right") - 1]


def test_only_wanted_frames_are_made_into_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make_picture = PictureMaker.make

    def counting(self: PictureMaker, frame: object, index: int) -> object:
        made.append(index)
        return make_picture(self, frame, index)  # type: ignore[arg-type]

    monkeypatch.setattr(PictureMaker, "make", counting)
    for name in ("a.mp4", "a.h264"):
        made.clear()
        with VideoReader(write_clip(tmp_path / name)) as video:
            video.read([8, 20, 20, 40])
        assert sorted(made) == [8, 20, 40]


@pytest.mark.parametrize(("name", "most"), [("a.mp4", 4), ("a.h264", 4)])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_ends_the_decode_soon_and_the_file_can_be_read_again(
    name: str, most: int, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    seen: list[object] = []

    def interrupt(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels)
        stop.set()
        return pixels

    monkeypatch.setattr("pptsn.runtime.video.seek._worker_count", lambda runs, area: workers)
    with VideoReader(write_clip(tmp_path / name)) as video:
        seeks = video.seeks
        with pytest.raises(InputError, match=f"{name}: reading was stopped$"):
            video.read_sampled(lambda count: list(range(count)), transform=interrupt, stop=stop)
        assert 1 <= len(seen) <= most
        with pytest.raises(InputError, match="reading was stopped"):
            video.read_sampled(lambda count: [0], stop=stop)
        assert video.seeks == seeks
        stop.clear()
        assert len(video.read_sampled(lambda count: [0, count - 1], stop=stop)) == 2


def test_a_stop_ends_a_decode_to_the_end_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    packets: list[object] = []

    def stopping(video: OpenVideo) -> Iterator[object]:
        for packet in video_packets(video):
            packets.append(packet)
            if len(packets) == 5:
                stop.set()
            yield packet

    monkeypatch.setattr("pptsn.runtime.video.sequential.video_packets", stopping)
    reader = VideoReader(write_clip(tmp_path / "a.h264"))
    with reader as video, pytest.raises(InputError, match="reading was stopped"):
        video.read_sampled(lambda count: [0], stop=stop)
    assert len(packets) == 5
