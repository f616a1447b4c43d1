"""Broken input is normal input: one line each, or the frames that there are with a warning."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import av.error
import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.video import open_video
from pptsn.runtime.video.bitstream import PacketInspector
from pptsn.runtime.video.picture import PictureMaker
from pptsn.runtime.video.reader import VideoReader
from tests.clips import (
    X264,
    cut_file,
    damage_packets,
    decode_plainly,
    packet_places,
    show_by_edit_list,
    write_clip,
    write_joined,
    write_sound,
)


def _missing(folder: Path) -> Path:
    return folder / "absent.mp4"


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _text_as_video(folder: Path) -> Path:
    (folder / "text.mp4").write_text("this is not a video\n" * 100)
    return folder / "text.mp4"


def _text(folder: Path) -> Path:
    (folder / "list.txt").write_text("this is not a video\n" * 100)
    return folder / "list.txt"


def _sound(folder: Path) -> Path:
    return write_sound(folder / "sound.m4a")


def _cut_before_its_index(folder: Path) -> Path:
    return cut_file(write_clip(folder / "cut.mp4"), 0.5)


def _unknown_codec(folder: Path) -> Path:
    path = write_clip(folder / "codec.mkv")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ"))
    return path


def _no_frame_left(folder: Path) -> Path:
    return damage_packets(write_clip(folder / "gone.mp4"), range(48), wipe=True)


def _a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _null_in_name(folder: Path) -> Path:
    return folder / "a\0b.mp4"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (_missing, "there is no such file"),
        (_empty, "is empty"),
        (_text_as_video, "is a text file"),
        (_text, "is a text file"),
        (_sound, "has no video stream"),
        (_cut_before_its_index, "ends before its index, as a download or a recording that was not finished"),
        (_unknown_codec, "codec that this FFmpeg does not know"),
        (_no_frame_left, r"no frame that can be decoded \(48 packets failed, none is a key frame\)"),
        (_a_pipe, "is a pipe, neither a file nor a folder"),
        (_null_in_name, "cannot be read"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(
    make: Callable[[Path], Path], cause: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)
    for use in (lambda v: v.frame_count(), lambda v: v.read([0]), lambda v: list(v.frames())):
        with pytest.raises(InputError, match=cause) as caught, open_video(path) as video:
            use(video)
        assert "\n" not in str(caught.value)
        assert path.name.replace("\0", "\\x00") in str(caught.value)
        assert caught.value.remedy
    with pytest.raises(InputError, match=cause), open_video(path) as video:
        video.read_sampled(lambda count: [0, count - 1])
    assert capfd.readouterr() == ("", ""), "FFmpeg talks to the terminal"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    path.chmod(0)
    with pytest.raises(InputError, match=r"cannot be read \(permission denied\)"):
        open_video(path)


def test_a_colon_in_the_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4").rename(tmp_path / "12:30.mp4")
    with open_video("12:30.mp4") as video:
        assert video.frame_count() == 48


def _check_against_plain_decode(path: Path) -> tuple[int, int, list[str]]:
    """Compare sampled, looked up and sequential frames with the plain decode; return frames, lost, warnings."""
    expected = list(decode_plainly(path))
    with open_video(path) as video:
        sampled = video.read_sampled(lambda count: [0, count // 2, count - 1])
        assert video.frame_count() == len(expected)
        for frame in [*sampled, *video.read(range(0, len(expected), 5)), *video.frames()]:
            np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        assert [frame.index for frame in sampled] == [0, len(expected) // 2, len(expected) - 1]
        return len(expected), video.lost_frames, video.warnings


@pytest.mark.parametrize("packet", [12, 13, 20, 21, 47])
def test_a_packet_that_is_gone_is_counted_and_the_rest_is_read(packet: int, tmp_path: Path) -> None:
    path = damage_packets(write_clip(tmp_path / "a.mp4"), [packet], wipe=True)
    frames, lost, warnings = _check_against_plain_decode(path)
    assert frames < 48
    assert lost == 1
    assert any(re.match("1 of 4[78] packets could not be decoded", warning) for warning in warnings)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_damaged_file_gives_the_same_frames_each_time(name: str, tmp_path: Path) -> None:
    for seed in range(3):
        path = write_clip(tmp_path / name, options=X264 | {"g": "250"}, width=192, height=128)
        _check_against_plain_decode(damage_packets(path, [5, 15, 30], seed=seed))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_change_nothing_about_which_frames_are_read(name: str, seed: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, width=192, height=128)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(6):
        data[int(rng.integers(len(data) // 3, len(data) * 2 // 3))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    expected = list(decode_plainly(path))
    with open_video(path) as video:
        for frame in video.frames():
            np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        count = video.frame_count()
        for frame in video.read_sampled(lambda n: list(range(n))):
            np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        assert count >= len(expected) > 0


@pytest.mark.parametrize(("name", "cut"), [("a.mkv", 0.6), ("a.ts", 0.6), ("a.flv", 0.6), ("a.h264", 0.6)])
def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(name: str, cut: float, tmp_path: Path) -> None:
    frames, _, _ = _check_against_plain_decode(cut_file(write_clip(tmp_path / name), cut))
    assert 10 < frames < 48


def test_damage_that_is_not_visited_does_no_harm(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    expected = list(decode_plainly(path))
    damage_packets(path, [44, 45])
    with open_video(path) as video:
        for frame in video.read([3, 14]):
            np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        assert video.seeks
        assert video.warnings == []


def test_damage_met_when_looking_frames_up_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", width=192, height=128, options=X264 | {"bf": "0"})
    damage_packets(path, [3, 4, 5], seed=2)
    expected = list(decode_plainly(path))
    with open_video(path) as video:
        frames = video.read([6])
        assert not video.seeks
        assert any("damaged" in warning or "could not be decoded" in warning for warning in video.warnings)
    np.testing.assert_array_equal(frames[0].pixels, expected[6])


def test_a_file_that_cannot_be_read_on_gives_the_frames_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.runtime.video import index, sequential

    def breaking(video: index.OpenVideo, **beside: object) -> Iterator[object]:
        for number, packet in enumerate(all_packets(video)):
            if number == 24:
                raise OSError(5, "Input/output error")
            yield packet

    all_packets = index.video_packets
    path = write_clip(tmp_path / "a.mp4")
    expected = list(decode_plainly(path))
    monkeypatch.setattr(index, "video_packets", breaking)
    monkeypatch.setattr(sequential, "video_packets", breaking)
    with open_video(path) as video:
        frames = video.read_sampled(lambda count: [0, count - 1])
        assert video.frame_count() == 24
        assert video.warnings == ["the file ends early: 1.0 of 1.9 s (Input/output error)"]
    for frame in frames:
        np.testing.assert_array_equal(frame.pixels, expected[frame.index])


def test_a_stream_that_appears_on_the_way_does_not_end_in_an_error(tmp_path: Path) -> None:
    from pptsn.runtime.video.container import OpenVideo, open_container
    from pptsn.runtime.video.index import build_index

    class AppearingStream:
        """Fails after the last packet, as PyAV's container does when there is a stream that it did not expect."""

        def __init__(self, video: OpenVideo) -> None:
            self._video = video

        def __getattr__(self, name: str) -> object:
            return getattr(self._video.container, name)

        def demux(self, stream: object) -> Iterator[object]:
            yield from self._video.container.demux(self._video.stream)
            raise IndexError("list index out of range")

    video = open_container(write_clip(tmp_path / "a.ts"))
    index = build_index(OpenVideo(AppearingStream(video), video.stream))  # type: ignore[arg-type]
    video.close()
    assert (len(index), index.trusted) == (48, True)


def test_every_packet_of_a_sound_file_holds_a_picture_and_only_key_frames_are_starts(tmp_path: Path) -> None:
    from pptsn.runtime.video.container import open_container
    from pptsn.runtime.video.index import video_packets

    for name in ("a.mp4", "a.ts", "a.h264"):
        video = open_container(write_clip(tmp_path / name))
        inspector = PacketInspector("h264", video.codec.extradata)
        packets = list(video_packets(video))
        assert all(inspector.holds_picture(memoryview(packet)) for packet in packets)
        starts = [inspector.is_clean_start(memoryview(packet)) for packet in packets]
        assert starts == [packet.is_keyframe for packet in packets]
        assert sum(starts) == 4
        video.close()


def test_a_packet_that_does_not_add_up_holds_no_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    offset, size = packet_places(path)[5]
    packet = bytearray(path.read_bytes()[offset : offset + size])
    from pptsn.runtime.video.container import open_container

    video = open_container(path)
    inspector = PacketInspector("h264", video.codec.extradata)
    assert inspector.holds_picture(memoryview(packet))
    assert not inspector.holds_picture(memoryview(packet)[:-1])
    packet[4] |= 0x80  # the forbidden bit of the unit's first byte
    assert not inspector.holds_picture(memoryview(packet))
    video.close()


def test_mpeg4_and_vp9_packets_are_known_by_their_first_bytes() -> None:
    assert PacketInspector("mpeg4", None).holds_picture(memoryview(b"\0\0\1\xb6picture"))
    assert not PacketInspector("mpeg4", None).holds_picture(memoryview(b"\0\2\1\xb6picture"))
    assert PacketInspector("vp9", None).holds_picture(memoryview(b"\x82"))
    assert not PacketInspector("vp9", None).holds_picture(memoryview(b"\x42"))
    assert PacketInspector("vp8", None).holds_picture(memoryview(b"?"))
    assert PacketInspector("vp8", None).is_clean_start(memoryview(b"?"))


def test_a_size_change_inside_a_timed_file_is_read_from_the_beginning(tmp_path: Path) -> None:
    import av

    raw = write_joined(tmp_path / "a.h264", (96, 64), (64, 48))
    path = tmp_path / "a.ts"
    with av.open(str(raw)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(source.streams.video[0]) if p.size):
            packet.pts = packet.dts = number * 3600
            packet.time_base = stream.time_base or packet.time_base
            packet.stream = stream
            target.mux(packet)
    expected = list(decode_plainly(path))
    with open_video(path) as video:
        for frame in video.read_sampled(lambda count: [3, count - 3]):
            np.testing.assert_array_equal(frame.pixels, expected[frame.index])
        assert "the picture size changes on the way" in video.warnings


def test_an_edit_list_that_hides_every_frame_is_no_fault_of_the_caller(tmp_path: Path) -> None:
    def choose(count: int) -> list[int]:
        if count <= 0:
            raise UsageError("segments", "there must be a frame")
        return [0]

    path = show_by_edit_list(write_clip(tmp_path / "a.mp4"), first=60, frames=4)
    with VideoReader(path) as video:
        assert video.index.distrust == "it shows no frame"
        for _ in range(2):
            with pytest.raises(InputError, match=r"a\.mp4: its edit list hides 48 of 48 frames"):
                video.read_sampled(choose)
        with pytest.raises(InputError, match=r"a\.mp4: its edit list hides 48 of 48 frames"):
            video.frame_count()


@pytest.mark.parametrize("name", ["a.mp4", "a.h264"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (av.error.InvalidDataError(1, "Invalid data", "x"), "invalid data"),
        (ValueError("no such\nformat"), "no such format"),
        (cv2.error("too large"), "too large"),
    ],
)
def test_whatever_a_file_makes_go_wrong_is_an_error_of_the_input(
    name: str, error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(PictureMaker, "make", fail)
    path = write_clip(tmp_path / name, frames=13)
    uses: list[Callable[[VideoReader], object]] = [
        lambda video: video.read([1]),
        lambda video: video.read_sampled(lambda _: [1]),
        lambda video: list(video.frames()),
    ]
    for use in uses:
        with VideoReader(path) as video, pytest.raises(InputError, match=f"{name}: cannot be decoded") as caught:
            use(video)
        assert reason in str(caught.value)


def test_a_mistake_in_the_program_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("a mistake")

    monkeypatch.setattr(PictureMaker, "make", fail)
    with VideoReader(write_clip(tmp_path / "a.h264", frames=5)) as video, pytest.raises(TypeError):
        video.read([1])


def test_a_file_that_shrinks_between_two_reads_is_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.h264")
    with VideoReader(path) as video:
        assert video.frame_count() == 48
        cut_file(path, 0.5)
        with pytest.raises(InputError, match="frame 47 was asked for"):
            video.read([0, 47])
        last = video.frame_count() - 1
        assert 10 < last < 47
        assert [frame.index for frame in video.read_sampled(lambda count: [0, count - 1])] == [0, last]
