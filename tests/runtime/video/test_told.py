"""What is lost of a file is told, whatever the degree: damage, an early end, encryption, an absent codec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video import open_video
from pptsn.runtime.video.damage import require_sound
from pptsn.runtime.video.wholeness.look import is_cut_off
from tests.clips import (
    X264,
    copy_packets,
    damage_packets,
    decode_plainly,
    packet_places,
    picture,
    show_by_edit_list,
    turn_by_message,
    without_first,
    write_clip,
    write_into_pipe,
)

_FRAMES = 40
_SOME = [index * _FRAMES // 20 for index in range(20)]


def _garbled(path: Path, share: float) -> Path:
    """Overwrite bytes in this share of the packets of a file."""
    packets = np.random.default_rng(1).permutation(len(packet_places(path)))
    return damage_packets(path, packets[: round(share * len(packets))].tolist(), overwrite=True)


def _told(path: Path) -> str:
    """Return all warnings about a file of which twenty frames are sampled; the error, where it is one."""
    try:
        with open_video(path) as video:
            video.read_sampled(lambda count: sorted({index * count // 20 for index in range(20)}))
            require_sound(path, video.damage)
            return "; ".join(video.warnings)
    except InputError as error:
        return f"error: {error}"


@pytest.mark.parametrize("percent", [0, 10, 30, 60, 88, 95, 100])
@pytest.mark.parametrize("name", ["h264.mp4", "mpeg4.avi", "prores.mov"])
def test_damage_of_any_degree_is_told_with_its_share(name: str, percent: int, tmp_path: Path) -> None:
    codec = {"h264": "libx264", "mpeg4": "mpeg4", "prores": "prores_ks"}[name.split(".")[0]]
    options = {"g": "1", "threads": "1"} if codec == "libx264" else {}
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = write_clip(
        tmp_path / name, frames=_FRAMES, width=192, height=128, codec=codec, options=options, pix_fmt=pix_fmt
    )
    told = _told(_garbled(path, percent / 100))
    if percent == 0:
        assert told == ""
        return
    found = re.search(r"(\d+) of 40 frames (?:came out|are) damaged, (\d+) of the 20 sampled", told)
    assert found, told
    damaged, sampled = int(found[1]), int(found[2])
    # A picture that hangs on a damaged one is not marked, and a few bytes may do no harm.
    assert 0.5 * percent <= 100 * damaged / _FRAMES <= percent
    assert told.startswith("error: ") == (damaged >= 36 and sampled >= 18), told


@pytest.mark.parametrize("percent", [20, 60, 100])
def test_frames_that_a_decoder_drops_without_a_word_are_counted(percent: int, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mp4", frames=_FRAMES, codec="libx265", options={"x265-params": "log-level=none"}
    )
    _garbled(path, percent / 100)
    made = sum(1 for _ in decode_plainly(path))
    assert made < _FRAMES
    with open_video(path) as video:
        video.read_sampled(lambda count: list(range(count)))
        assert video.frame_count() == made
        told = [
            int(number) for number in re.findall(r"(\d+) of \d+ (?:frames|packets)", "; ".join(video.warnings))
        ]
    assert sum(told) > 0.5 * (_FRAMES - made), told


@pytest.mark.parametrize("first", [0, 1, 7, 11, 12, 29, 36])
@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.ts"), ("mpeg2video", "a.mkv"), ("mpeg4", "a.mp4")])
def test_a_beginning_without_a_key_frame_is_told(codec: str, name: str, first: int, tmp_path: Path) -> None:
    options = {"g": "12", "bf": "0", "sc_threshold": "0"}
    whole = write_clip(tmp_path / "whole.nut", frames=_FRAMES, codec=codec, options=options)
    told, missing = _told(without_first(whole, tmp_path / name, first)), -first % 12
    if not missing:
        assert told == ""
    elif codec == "mpeg4":  # which goes on without
        assert told.startswith(f"{missing} of {_FRAMES - first} frames came out damaged")
    else:
        which = "first frame" if missing == 1 else f"first {missing} frames"
        length_s = f"{missing / 25:.2f}"
        assert told == f"its {which} ({length_s} s) did not come out: a picture that they build on is missing"


def test_a_video_without_any_key_frame_is_damaged_throughout(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.nut", frames=_FRAMES, codec="mpeg4", options={"g": "100", "bf": "0"})
    told = _told(without_first(whole, tmp_path / "a.mp4", 1))
    assert told.startswith("error: ")
    assert "39 of 39 frames are damaged, 20 of the 20 sampled" in told


@pytest.mark.parametrize(
    ("first", "frames"), [(0, 40), (20, 20), (12, 5), (36, 4), (0, 3), (14, 2), (39, 1), (50, 2)]
)
def test_an_edit_list_that_hides_nearly_all_is_told(first: int, frames: int, tmp_path: Path) -> None:
    told = _told(show_by_edit_list(_silent(tmp_path / "a.mp4"), first=first, frames=frames))
    hidden = _FRAMES - max(0, min(frames, _FRAMES - first))
    if hidden < 0.9 * _FRAMES:
        assert told == ""
    else:
        assert f"its edit list hides {hidden} of 40 frames" in told
        assert told.startswith("error: ") == (hidden == _FRAMES)


def test_what_a_codec_calls_damaged_throughout_is_believed_of_all_but_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _garbled(write_clip(tmp_path / "a.mp4", frames=12, options={"g": "1", "threads": "1"}), 1)
    assert "12 of 12 frames are damaged" in _told(path)
    monkeypatch.setattr("pptsn.runtime.video.damage._MARK_ALL", frozenset({"h264"}))
    assert _told(path) == ""


def _write_with_sound(path: Path, *, seconds: float = 1.6, sound_s: float = 1.6, options: object = None) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream("libx264", rate=25, options=dict(X264 | {"bf": "0"}))
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        packets = []
        for number in range(round(seconds * 25)):
            packets += video.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24"))
        packets += video.encode(None)
        for number in range(round(sound_s * 44100 / 1024)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1024
            packets += sound.encode(frame)
        packets += sound.encode(None)
        packets = [packet for packet in packets if packet.dts is not None]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _faststart(path: Path) -> Path:
    return _write_with_sound(path, options={"movflags": "faststart"})


def _silent(path: Path) -> Path:
    return write_clip(path, frames=_FRAMES, options=X264 | {"bf": "0"})


def _silent_faststart(path: Path) -> Path:
    return _copied(_silent(path.with_name("w.mp4")), path, {"movflags": "faststart"})


def _copied(path: Path, target: Path, options: dict[str, str]) -> Path:
    """Write the packets of `path` into another file, whose muxer gets `options`."""
    with av.open(str(target), "w", options=options) as copy:
        copy_packets(path, copy)
    return target


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.mp4", _faststart),
        pytest.param("a.mp4", _silent_faststart, marks=pytest.mark.slow),
        pytest.param("a.mkv", _silent, marks=pytest.mark.slow),
        ("a.mkv", _write_with_sound),
        pytest.param("a.webm", lambda path: _write_vp8(path), marks=pytest.mark.slow),
        pytest.param("a.flv", _silent, marks=pytest.mark.slow),
        ("a.flv", _write_with_sound),
        ("a.ts", _silent),
        ("a.avi", _silent),
        ("a.mxf", lambda path: write_clip(path, frames=_FRAMES, codec="mpeg2video", options={})),
        ("a.gif", lambda path: write_clip(path, frames=_FRAMES, codec="gif", options={}, pix_fmt="rgb8")),
        ("a.y4m", lambda path: write_clip(path, frames=_FRAMES, codec="wrapped_avframe", options={})),
        pytest.param("a.ivf", lambda path: _write_vp8(path), marks=pytest.mark.slow),
        ("fragments.mp4", lambda path: _in_fragments(path, "frag_keyframe+empty_moov")),
        pytest.param(
            "segments.mp4",
            lambda path: _in_fragments(path, "frag_keyframe+delay_moov+dash+global_sidx"),
            marks=pytest.mark.slow,
        ),
        ("a.mpg", lambda path: write_clip(path, frames=_FRAMES, codec="mpeg2video", options={})),
        pytest.param("a.apng", lambda path: _write_apng(path), marks=pytest.mark.slow),
        pytest.param(
            "a.ogv",
            lambda path: write_clip(path, frames=_FRAMES, codec="libvpx", options={}, container_format="ogg"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "a.wmv",
            lambda path: write_clip(path, frames=_FRAMES, codec="msmpeg4", options={}),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_file_cut_off_anywhere_is_told(name: str, write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path / name)
    assert _told(path) == "", "whole"
    data = path.read_bytes()
    whole = packet_places(path)
    first, end = whole[0][0], whole[-1][0] + whole[-1][1]
    for place in range(50):
        inside = first + (end - first) * place // 50
        between = max(offset for offset, _ in whole if offset <= inside)
        for at in {inside, between}:
            path.write_bytes(data[:at])
            _check_cut(path, name, len(whole))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.nut", "mpeg4", {}),
        ("a.rm", "rv20", {}),
        ("a.obu", "libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}),
        ("a.dv", "dvvideo", {}),
    ],
)
def test_the_structure_of_a_container_tells_that_it_was_cut(
    name: str, codec: str, options: Mapping[str, str], tmp_path: Path
) -> None:
    width, height = (720, 576) if codec == "dvvideo" else (176, 144)
    path = write_clip(tmp_path / name, frames=6, width=width, height=height, codec=codec, options=options)
    data, kind = path.read_bytes(), name.removeprefix("a.")
    assert not is_cut_off(path, kind)
    ends = {0} if kind in ("nut", "rm") else {offset for offset, _ in packet_places(path)}
    for place in range(1, 50):
        at = (len(data) - 20) * place // 49
        path.write_bytes(data[:at])
        assert is_cut_off(path, kind) or at in ends, at
    with open_video(path) as video:
        video.decode_all()
        assert video.ends_early


@pytest.mark.parametrize("percent", [0, 30, 50, 70])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.mxf", "mpeg2video"), ("a.ogv", "libvpx"), ("a.gif", "gif")],
)
def test_room_that_was_never_written_is_an_early_end(name: str, codec: str, percent: int, tmp_path: Path) -> None:
    pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
    path = write_clip(
        tmp_path / name, frames=_FRAMES, width=192, height=128, codec=codec, options={}, pix_fmt=pix_fmt
    )
    data = path.read_bytes()
    assert len(data) > 20_000
    there = len(data) * (100 - percent) // 100
    there -= 20 if name == "a.ts" and percent and -there % 188 < 8 else 0  # between packets nothing tells
    path.write_bytes(data[:there].ljust(len(data), b"\0"))
    told = _told(path)
    assert ("ends early" in told or told.startswith("error: ")) == (percent > 0), told


def _noise(length: int) -> bytes:
    return np.random.default_rng(length).bytes(length)


_TAG = b"TAG".ljust(128, b"\0")
_TAILS = [_TAG, b"\0", bytes(13), bytes(5000), bytes(65_536), *map(_noise, (1, 3, 13, 100, 5000, 65_536))]


@pytest.mark.parametrize(
    ("name", "codec", "into_pipe"),
    [
        ("a.ts", "libx264", False),
        ("a.m2ts", "libx264", False),
        ("a.mp4", "libx264", False),
        ("fragments.mp4", "libx264", False),
        ("a.mkv", "libx264", False),
        ("a.webm", "libvpx", True),
        ("a.flv", "flv", False),
        ("a.flv", "flv", True),
        ("a.avi", "mpeg4", False),
        ("a.nut", "mpeg4", False),
        ("a.rm", "rv20", False),
        ("a.ogv", "libvpx", False),
        ("a.gif", "gif", False),
        ("a.wmv", "wmv2", False),
        ("a.mxf", "mpeg2video", False),
        ("a.ivf", "libvpx", False),
        ("a.ivf", "libvpx", True),
        ("a.obu", "libsvtav1", False),
        ("a.y4m", "wrapped_avframe", False),
        ("a.swf", "flv", False),
    ],
)
def test_what_follows_a_whole_file_is_no_early_end(
    name: str, codec: str, *, into_pipe: bool, tmp_path: Path
) -> None:
    options = {"preset": "12", "svtav1-params": "lp=1"} if codec == "libsvtav1" else {}
    width, height = (176, 144) if codec == "rv20" else (96, 64)
    pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
    if name == "fragments.mp4":
        path = _in_fragments(tmp_path / name, "frag_keyframe")
    elif into_pipe:
        path = _in_one_go(tmp_path / name, codec)
    else:
        path = write_clip(
            tmp_path / name, frames=12, width=width, height=height, codec=codec, options=options, pix_fmt=pix_fmt
        )
    with open_video(path) as video:
        frames = video.frame_count()
    data = path.read_bytes()
    # Of an IVF that states no length a few bytes may be those of the next packet's.
    for tail in [
        tail for tail in _TAILS if not (into_pipe and name == "a.ivf" and 0 < len(tail.strip(b"\0")) < 4)
    ]:
        path.write_bytes(data + tail)
        assert _told(path) == "", (tail[:4], len(tail))
        with open_video(path) as video:
            assert video.frame_count() == frames, (tail[:4], len(tail))


@pytest.mark.parametrize("tail", [_TAG, bytes(5000), _noise(100)], ids=["tag", "zeros", "noise"])
@pytest.mark.parametrize(("name", "codec"), [("a.ivf", "libvpx"), ("a.flv", "flv")])
def test_what_follows_a_file_that_ends_early_hides_nothing(
    name: str, codec: str, tail: bytes, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / name, codec=codec, options={})
    data, places = path.read_bytes(), packet_places(path)
    for offset, length in places[2:-15:10]:
        path.write_bytes(data[: offset + length // 2] + tail)
        assert "ends early" in _told(path)


def _sequence(path: Path) -> bytes:
    """Write a file of those whose tails are left out, none of which says how long it is, and return its bytes."""
    codec = {".ivf": "libvpx", ".obu": "libsvtav1", ".y4m": "wrapped_avframe"}[path.suffix]
    if path.suffix == ".ivf":
        return _in_one_go(path, codec).read_bytes()
    options = {"preset": "12", "svtav1-params": "lp=1"} if path.suffix == ".obu" else {}
    return write_clip(path, frames=24, width=96, height=64, codec=codec, options=options).read_bytes()


@pytest.mark.parametrize("left_out", [0, 1, 20, 300])
@pytest.mark.parametrize("name", ["a.ivf", "a.obu", "a.y4m"])
def test_pictures_behind_a_hole_are_no_tail_that_is_left_out_without_a_word(
    name: str, left_out: int, tmp_path: Path
) -> None:
    path = tmp_path / name
    data, places = _sequence(path), packet_places(path)
    for offset, length in (*places[3:-3:6], places[-2]):
        begin = offset + length // 2
        path.write_bytes(data[:begin] + data[begin + min(left_out, length // 4) :])
        assert bool(_told(path)) == (left_out > 0), begin


@pytest.mark.parametrize("unwritten", [False, True])
@pytest.mark.parametrize("name", ["a.ivf", "a.obu", "a.y4m"])
def test_room_for_the_rest_of_a_download_is_no_tail(name: str, *, unwritten: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    data, places = _sequence(path), packet_places(path)
    for offset, length in places[3:-3:6]:
        there = offset + length // 2 if unwritten else len(data)
        path.write_bytes(data[:there].ljust(len(data), b"\0"))
        assert bool(_told(path)) == unwritten, there


def test_another_file_behind_one_is_no_tail(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ivf", codec="libvpx", options={})
    path.write_bytes(2 * path.read_bytes())
    assert "ends early" in _told(path)


@pytest.mark.parametrize("there", [1, 2, 3, 4, 5, 100, 191])
def test_a_disc_s_stream_that_ends_inside_a_packet_is_told(there: int, tmp_path: Path) -> None:
    packet = b"\x0f\xa0\x12%c\x47" + bytes(187)
    whole = b"".join(packet % number for number in range(20))
    (tmp_path / "a.m2ts").write_bytes(whole)
    assert is_cut_off(tmp_path / "a.m2ts", "mpegts") is False
    (tmp_path / "a.m2ts").write_bytes(whole + (packet % 20)[:there])
    assert is_cut_off(tmp_path / "a.m2ts", "mpegts")


@pytest.mark.parametrize("filling", [None, 0, 0xA5])
@pytest.mark.parametrize("hole", [0, 300, 1000, 20_000])
def test_a_gif_with_a_hole_in_it_is_told_to_be_broken(hole: int, filling: int | None, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.gif", frames=12, codec="gif", options={}, pix_fmt="rgb8")
    data = path.read_bytes()
    told = 0
    for place in range(2, 8):
        at = len(data) * place // 10
        rest = data[at + hole :]
        path.write_bytes(data[:at] + (b"" if filling is None else bytes([filling]) * hole) + rest)
        told += bool(re.search(r"broken at \d+% of its bytes|ends early|error: ", _told(path)))
    if not hole:
        assert told == 0
    else:  # where what follows the hole looks like a block, nothing tells
        assert told >= (1 if filling else 3)


@pytest.mark.parametrize("name", ["a.y4m", "a.obu", "a.ivf"])
def test_a_hole_near_the_end_is_nothing_that_follows_a_file(name: str, tmp_path: Path) -> None:
    codec, options = {
        "a.y4m": ("wrapped_avframe", {}),
        "a.obu": ("libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}),
        "a.ivf": ("libvpx", {}),
    }[name]
    path = write_clip(tmp_path / name, frames=24, codec=codec, options=options)
    data, (offset, _) = path.read_bytes(), packet_places(path)[18]
    path.write_bytes(data[: offset - 12] + b"\xff" * 24 + data[offset + 12 :])
    assert _told(path) != ""


def test_nut_without_an_index_is_whole_where_its_last_frame_is(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.nut", frames=6, codec="mpeg4", options={})
    path = _copied(whole, tmp_path / "a.nut", {"write_index": "0"})
    assert _told(path) == ""
    data, frames = path.read_bytes(), packet_places(path)
    begin, ends = frames[0][0], {offset + length for offset, length in frames}
    for at in range(begin + 1, len(data)):
        path.write_bytes(data[:at])
        assert is_cut_off(path, "nut") is (None if at in ends else True), at
    path.write_bytes(data[: frames[-1][0] + 3])
    assert _told(path).endswith("the file ends early: its last part is missing")


@pytest.mark.parametrize("length", [0, 30, 100, 200, 300])
def test_a_nut_file_of_noise_says_nothing_or_that_it_ends(length: int, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.nut", frames=3, codec="mpeg4", options={}).read_bytes()
    for seed in range(20):
        noise = np.random.default_rng(seed).bytes(2000)
        (tmp_path / "a.nut").write_bytes(whole[:length] + noise)
        assert is_cut_off(tmp_path / "a.nut", "nut") in (None, True)


@pytest.mark.parametrize("junk", [b"\0" * 100, b"end", b"\x1f\x08" + b"\1" * 5000])
def test_what_follows_the_frames_of_dv_and_is_none_is_no_early_end(junk: bytes, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.dv", frames=2, width=720, height=576, codec="dvvideo", options={})
    path.write_bytes(path.read_bytes() + junk)
    assert is_cut_off(path, "dv") is False


def _in_fragments(path: Path, flags: str) -> Path:
    return _copied(_silent(path.with_name("w.mp4")), path, {"movflags": flags})


def test_fragments_before_one_that_is_cut_off_are_read(tmp_path: Path) -> None:
    path = _in_fragments(tmp_path / "a.mp4", "frag_keyframe+empty_moov+default_base_moof")
    data = path.read_bytes()
    begin = data.rindex(b"moof", 0, data.rindex(b"mdat")) - 4  # of the last fragment
    for at in range(begin + 9, data.rindex(b"mdat"), 11):
        path.write_bytes(data[:at])
        with open_video(path) as video:
            assert (video.frame_count(), video.ends_early) == (36, True), at
            assert [frame.index for frame in video.read([0, 20, 35])] == [0, 20, 35]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_files_joined_to_another_are_told_as_they_are_not_read(name: str, tmp_path: Path) -> None:
    path = _silent(tmp_path / name)
    data = path.read_bytes()
    for files in range(1, 4):
        path.write_bytes(data * files)
        assert _told(path) == ("another file is joined to it, which is not read" if files > 1 else ""), files
    path.write_bytes(data + data[: len(data) // 2])  # whose index, at its end, is missing
    assert _told(path) == ""


@pytest.mark.parametrize(("name", "codec"), [("a.flv", "flv"), ("a.flv", "libx264"), ("a.wmv", "wmv2")])
def test_files_put_one_after_the_other_say_so_where_the_first_one_alone_is_read(
    name: str, codec: str, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / name, frames=_FRAMES, codec=codec, options=X264 if codec == "libx264" else {})
    data = path.read_bytes()
    for files in range(1, 4):
        path.write_bytes(data * files)
        with open_video(path) as video:
            assert video.frame_count() == _FRAMES
        assert _told(path) == ("another file is joined to it, which is not read" if files > 1 else ""), files


@pytest.mark.parametrize("behind", [b"", b"\0" * 4, b"\0" * 7, b"\0" * 100])
def test_zeros_behind_the_last_fragment_are_no_part_of_another(behind: bytes, tmp_path: Path) -> None:
    path = _in_fragments(tmp_path / "a.mp4", "frag_keyframe+empty_moov")
    path.write_bytes(path.read_bytes() + behind)
    assert _told(path) == ""
    path.write_bytes(path.read_bytes()[: path.read_bytes().rindex(b"mfra") - 4] + b"\0\0\1")
    assert "ends early" in _told(path)


def test_a_video_of_which_no_packet_is_a_key_frame_is_told_as_such(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=48, options={"g": "100"})
    data, places = path.read_bytes(), packet_places(path)
    for left_out in (0, 1, 16):
        path.write_bytes(data[places[left_out][0] :])
        told = _told(path)
        if left_out:
            assert f"({48 - left_out} packets failed, none is a key frame)" in told, told
        else:
            assert told == ""


def _write_apng(path: Path) -> Path:
    return write_clip(path, frames=_FRAMES, codec="apng", options={}, pix_fmt="rgb24")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_file_cut_before_its_index_is_told_as_unfinished(name: str, tmp_path: Path) -> None:
    path = _silent(tmp_path / name)
    data = path.read_bytes()
    for place in range(50):
        path.write_bytes(data[: 64 + (len(data) - 65) * place // 49])
        told = _told(path)
        if told:
            assert "ends before its index, as a download or a recording that was not finished" in told
            continue
        with open_video(path) as video:  # what is missing of its index tells nothing of pictures
            assert (video.frame_count(), place > 45) == (_FRAMES, True)


def _write_vp8(path: Path) -> Path:
    return write_clip(path, frames=_FRAMES, codec="libvpx", options={})


def _in_one_go(path: Path, codec: str) -> Path:
    """Write a clip as into a pipe, where no length can be filled in at the end."""
    whole = write_clip(path.with_name(f"whole{path.suffix}"), frames=_FRAMES, codec=codec, options={"g": "8"})
    return write_into_pipe(whole, path, {".mkv": "matroska"}.get(path.suffix, path.suffix[1:]))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "mpeg4"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.ivf", "libvpx"), ("a.flv", "flv")],
)
def test_a_file_that_knew_no_length_when_it_was_begun_is_whole_or_told(
    name: str, codec: str, tmp_path: Path
) -> None:
    path = _in_one_go(tmp_path / name, codec)
    assert _told(path) == "", "whole"
    data, places = path.read_bytes(), packet_places(path)
    for offset, length in places[1::3]:
        path.write_bytes(data[: offset + length // 2])
        told = _told(path)
        assert "ends early" in told, (offset, told)
        assert "000" not in told, "the length that was to be filled in"


@pytest.mark.parametrize("left_out", range(6))
def test_matroska_that_lacks_pictures_shown_before_its_last_one_ends_early(left_out: int, tmp_path: Path) -> None:
    """One that lacks no more than its cues has all of its pictures."""
    path = write_clip(tmp_path / "a.mkv", frames=_FRAMES, options=X264 | {"bf": "3", "b_strategy": "0"})
    places = packet_places(path)
    offset, size = places[len(places) - 1 - left_out]
    path.write_bytes(path.read_bytes()[: offset + size + 4])
    told = _told(path)
    with open_video(path) as video:
        assert ("ends early" in told) is (video.frame_count() < _FRAMES) is (left_out > 0), told


def test_live_clusters_of_unknown_length_are_walked_through(tmp_path: Path) -> None:
    path = _in_one_go(tmp_path / "a.mkv", "mpeg4")
    data, cluster = path.read_bytes(), bytes.fromhex("1f43b675")
    places = packet_places(path)
    for at in [found.start() for found in re.finditer(re.escape(cluster), data)]:
        width = 9 - data[at + 4].bit_length()
        unknown = bytes([(2 << 8 - width) - 1]) + b"\xff" * (width - 1)
        data = data[: at + 4] + unknown + data[at + 4 + width :]
    path.write_bytes(data)
    assert _told(path) == "", "whole"
    for offset, length in places[1::3]:
        path.write_bytes(data[: offset + length // 2])
        assert "ends early" in _told(path), offset


def test_an_ivf_that_states_its_packets_is_whole_where_some_are_not_shown_for_long(tmp_path: Path) -> None:
    path = _write_vp8(tmp_path / "a.ivf")
    data = bytearray(path.read_bytes())
    at, tick = 32, 0
    while at < len(data):  # two packets a tick now and then, as of pictures that are only referred to
        data[at + 4 : at + 12] = (tick - tick // 5).to_bytes(8, "little")
        at, tick = at + 12 + int.from_bytes(data[at : at + 4], "little"), tick + 1
    data[24:28] = tick.to_bytes(4, "little")
    path.write_bytes(data)
    assert _told(path) == ""
    path.write_bytes(data[: len(data) // 2])
    assert "ends early" in _told(path)


def test_a_long_gap_hides_no_early_end(tmp_path: Path) -> None:
    times = [16 * frame + (3_600 if frame >= 10 else 0) for frame in range(_FRAMES)]  # 9 s
    path = write_clip(tmp_path / "a.mkv", frames=_FRAMES, times=times, options=X264 | {"bf": "0"})
    assert "ends early" not in _told(path), "whole"
    data, places = path.read_bytes(), packet_places(path)
    for offset, length in places[12::5]:
        path.write_bytes(data[: offset + length // 2])
        assert "ends early" in _told(path), offset


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wmv", "wmv2"), ("a.avi", "mpeg4"), ("a.mkv", "mpeg4"), ("a.flv", "flv")]
)
def test_one_frame_alone_does_not_end_early(name: str, codec: str, tmp_path: Path) -> None:
    assert _told(write_clip(tmp_path / name, frames=1, codec=codec, options={})) == ""


# Those that say nothing of their end, and those that say nothing of their length.
_CONTAINERS = {"a.ts": "mpegts", "a.y4m": "yuv4mpegpipe", "a.mpg": "mpeg"}
_WITHOUT_LENGTH = frozenset({*_CONTAINERS, "a.gif", "fragments.mp4", "a.apng", "a.ogv", "a.wmv"})


def _check_cut(path: Path, name: str, frames: int) -> None:
    told = _told(path)
    try:
        with open_video(path) as video:
            left, length_s = video.frame_count(), video.duration_s()
    except InputError:
        assert told.startswith("error: ")
        return
    if name in _CONTAINERS and not is_cut_off(path, _CONTAINERS[name]):
        return  # cut between packets, or pictures, it is as whole as any
    if told.startswith("error: "):  # hardly a frame is left, and damaged
        assert left < 3
        return
    assert "ends early" in told, (left, told)
    found = re.search(r"ends early: ([\d.]+) of 1\.[67]\d* s", told)
    if left < frames - 2 and name not in _WITHOUT_LENGTH:
        assert found, (left, told)
        assert float(found[1]) == pytest.approx(length_s, abs=0.06), (left, told)


def test_sound_that_goes_on_makes_no_video_end_early(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.flv", "a.ts"):
        path = _write_with_sound(tmp_path / name, seconds=0.8, sound_s=2.4)
        with open_video(path) as video:
            video.read_sampled(lambda count: [0, count - 1])
            assert (video.warnings, video.frame_count()) == ([], 20)
            assert video.duration_s() == pytest.approx(0.8, abs=0.02), name


@pytest.mark.parametrize("times", [[0, 16, 32, 480], [0, 100, 101, 400, 1600]])
def test_the_duration_is_that_of_the_frames(times: Sequence[int], tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = write_clip(tmp_path / name, frames=len(times), times=times, options=X264 | {"bf": "0"})
        with open_video(path) as video:
            lasts_s = (video.duration_s() or 0) - times[-1] / 400
            assert 0 < lasts_s < 1.5 * times[-1] / 400 / (len(times) - 1), name


def _picture_beside(path: Path, *, picture_first: bool, frames: int = 20) -> Path:
    with av.open(str(path), "w") as container:
        still = container.add_stream("mjpeg", rate=25)
        still.width, still.height, still.pix_fmt = 320, 240, "yuvj420p"
        moving = container.add_stream("libx264", rate=25, options=dict(X264))
        moving.width, moving.height, moving.pix_fmt = 96, 64, "yuv420p"
        (still if picture_first else moving).disposition = 1
        for number in range(frames):
            if number == 0:
                shown = av.VideoFrame.from_ndarray(picture(0, width=320, height=240), format="rgb24")
                container.mux(still.encode(shown))
            container.mux(moving.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        for stream in (still, moving):
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_picture_that_is_the_default_track_gives_way_to_the_video(name: str, tmp_path: Path) -> None:
    path = _picture_beside(tmp_path / name, picture_first=True)
    with open_video(path) as video:
        assert (video.frame_count(), video.read([3])[0].pixels.shape) == (20, (64, 96, 3))
        assert any("its default video track is one picture" in warning for warning in video.warnings)


def test_a_video_of_one_frame_is_a_video(tmp_path: Path) -> None:
    path = _picture_beside(tmp_path / "a.mkv", picture_first=True, frames=1)
    with open_video(path) as video:
        assert (video.frame_count(), video.read([0])[0].pixels.shape) == (1, (240, 320, 3))


def test_what_is_encrypted_is_called_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "plain.mp4", frames=12, options=X264 | {"bf": "0"})
    key = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "00112233445566778899aabbccddeeff",
        "encryption_kid": "0123456789abcdef0123456789abcdef",
    }
    told = _told(_copied(path, tmp_path / "a.mp4", key))
    assert told.startswith(f"error: {tmp_path}/a.mp4: is encrypted; ")


def test_an_animated_webp_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    with av.open(str(path), "w", format="webp") as container:
        stream = container.add_stream("libwebp_anim", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(stream.encode(None))
    assert "is an animated WebP picture, which this FFmpeg does not decode" in _told(path)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.h264", "libx264", X264 | {"bf": "0", "x264-params": "info=0"}),
        ("a.hevc", "libx265", {"x265-params": "log-level=none:keyint=12:bframes=0"}),
    ],
)
def test_how_a_picture_is_held_holds_for_those_after_it(
    name: str, codec: str, options: Mapping[str, str], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / name, frames=30, codec=codec, options=options)
    plain = list(decode_plainly(path))
    with open_video(turn_by_message(path)) as video:
        for frame in [*video.read([0, 5, 29]), *video.frames()]:
            np.testing.assert_array_equal(frame.pixels, np.rot90(plain[frame.index]))


# What is due, as the script that makes these files states it.
_FAULTS = {
    "all_damaged.mp4": "error: .*100 of 100 frames are damaged, 20 of the 20 sampled",
    "all_damaged_gop.mp4": "error: .*100 of 100 frames are damaged, 20 of the 20 sampled",
    "cut.mp4": "ends early: 0.5 of 4.0 s",
    "cut.mkv": "ends early: 0.5 of 4.0 s",
    "encrypted.mp4": "error: .*is encrypted",
    "animated.webp": "error: .*is an animated WebP picture",
    "picture_default.mkv": "its default video track is one picture",
    "vfr.mp4": "^$",
    "sound_longer.mkv": "^$",
    "whole.mp4": "^$",
    "mac/frames": "^$",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", _FAULTS)
def test_each_made_fault_is_told(name: str, shared_dir: Path) -> None:
    assert re.search(_FAULTS[name], _told(shared_dir / "faults" / name))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "seconds"), [("vfr.mp4", 8.0), ("sound_longer.mkv", 4.0), ("cut.mp4", 0.48)])
def test_made_durations_are_the_frames_own(name: str, seconds: float, shared_dir: Path) -> None:
    with open_video(shared_dir / "faults" / name) as video:
        assert video.duration_s() == pytest.approx(seconds, abs=0.005)


@pytest.mark.parametrize("lost", [0, 1, 3, 10, 36])
def test_packets_of_which_a_transport_stream_lacks_a_part_are_counted(lost: int, tmp_path: Path) -> None:
    """Of HEVC, whose decoder marks no damage."""
    options = {"x265-params": "log-level=none:keyint=100:bframes=0", "crf": "4"}
    path = write_clip(tmp_path / "a.ts", frames=_FRAMES, width=192, height=128, codec="libx265", options=options)
    data, places = path.read_bytes(), packet_places(path)
    assert all(size > 3 * 188 for _, size in places)
    for offset, _ in places[1 : lost + 1][::-1]:
        data = data[: offset + 188] + data[offset + 2 * 188 :]
    path.write_bytes(data)
    told = re.search(r"(\d+) of \d+ packets lack a part", _told(path))
    assert (int(told[1]) if told else 0) == lost


def test_streams_put_one_after_the_other_lack_no_part(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=30, codec="libx265", options={"x265-params": "log-level=none"})
    path.write_bytes(path.read_bytes() * 3)
    assert "lack a part" not in _told(path)


@pytest.mark.parametrize("place", range(1, 12))
def test_jpegs_in_a_row_that_begin_without_a_comment_are_whole_or_told(place: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mjpeg", frames=12, codec="mjpeg", options={}, pix_fmt="yuvj420p")
    assert _told(path) == ""
    data = path.read_bytes()
    comment = re.search(rb"\xff\xfe(..)", data[:64], re.DOTALL)
    bare = data if comment is None else data.replace(data[comment.start() : comment.end()], comment[0])
    path.write_bytes(bare[: len(bare) * place // 12 - 5])
    assert "ends early" in _told(path)


@pytest.mark.parametrize("frames", [1, 2, 12])
def test_the_end_of_a_filmstrip_or_of_a_multipart_message_is_no_early_one(frames: int, tmp_path: Path) -> None:
    strip = write_clip(tmp_path / "a.flm", frames=frames, codec="rawvideo", options={}, pix_fmt="rgba")
    parts = write_clip(
        tmp_path / "a.mpjpeg",
        frames=frames,
        codec="mjpeg",
        options={},
        pix_fmt="yuvj420p",
        container_format="mpjpeg",
    )
    for path in (strip, parts):
        with open_video(path) as video:
            assert (video.frame_count(), video.warnings) == (frames, []), path
    data = parts.read_bytes()
    parts.write_bytes(data[: data.rindex(b"\xff\xd9") - 20])
    assert "ends early" in _told(parts)


@pytest.mark.parametrize("frames", [1, 2, 20, 39, 40])
def test_an_ivf_that_is_cut_between_packets_is_told_by_its_header(frames: int, tmp_path: Path) -> None:
    path = _write_vp8(tmp_path / "a.ivf")
    offset, size = packet_places(path)[frames - 1]
    path.write_bytes(path.read_bytes()[: offset + 12 + size])
    assert ("ends early" in _told(path)) is (frames < 39)  # what a muxer may round


@pytest.mark.parametrize("untimed", [0, 1, 10, 39])
def test_frames_at_the_beginning_that_have_no_time_count(untimed: int, tmp_path: Path) -> None:
    """Matroska has none for those before 0."""
    path, whole = tmp_path / "a.mkv", _silent(tmp_path / "w.mp4")
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None:
                continue
            shift = round(untimed / 25 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            copy.mux(packet)
    with open_video(path) as video:
        assert (video.frame_count(), video.duration_s()) == (_FRAMES, pytest.approx(_FRAMES / 25, abs=0.045))


@pytest.mark.parametrize("into_m2ts", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_a_transport_stream_that_is_scrambled_is_told_to_be_encrypted(
    share: float, *, into_m2ts: bool, tmp_path: Path
) -> None:
    """As of pay television: the head of each packet is clear, and says so in two bits."""
    name, before = ("a.m2ts", 4) if into_m2ts else ("a.ts", 0)
    path = write_clip(tmp_path / name, frames=_FRAMES, width=192, height=128, options={"g": "8"})
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(3)
    for at in range(before, len(data), 188 + before):
        pid = int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF
        if 0x20 <= pid < 0x1FFF and data[at + 3] & 0x10 and rng.random() < share and not _is_table(data, at):
            begin = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
            data[at + 3] |= 0x80
            data[begin : at + 188] = rng.bytes(at + 188 - begin)
    path.write_bytes(data)
    told = _told(path)
    assert ("is encrypted" in told) is (share == 1)
    assert (told == "") is (share == 0)


def _is_table(data: bytes, at: int) -> bool:
    """Return whether the packet at `at` begins a table of the programme."""
    return bool(data[at + 1] & 0x40) and not data[at + 3] & 0x20 and data[at + 4 : at + 6] == b"\0\2"
