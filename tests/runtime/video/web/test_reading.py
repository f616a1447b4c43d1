"""A file on a web server gives what the same file on a disk gives, and few of its bytes are asked for."""

import pickle
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.video import VideoReader, WebFile
from pptsn.runtime.video.container import open_container, open_options
from pptsn.runtime.video.index import video_packets
from pptsn.runtime.video.unseen import UnseenPackets
from pptsn.runtime.video.web import content
from pptsn.runtime.video.web.address import web_file
from pptsn.runtime.video.web.kept import BLOCK, Kept
from tests.clips import X264, damage_packets, packet_places, show_by_edit_list, write_clip
from tests.runtime.video.test_seek import OPEN_GOP, REFRESH
from tests.runtime.video.web.parts import Parts

Serve = Callable[..., str]


def with_index(path: Path, *, first: bool, turns: int, clip: Path) -> Path:
    """Write the packets of `clip` so many times over, with the index before or behind them."""
    flags = {"movflags": "faststart"} if first else {}
    with (
        av.open(str(clip), **open_options()) as source,
        av.open(str(path), "w", options=flags, **open_options()) as target,
    ):
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.size]
        step = packets[0].duration * len(packets)
        for turn in range(turns):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + turn * step, packet.dts + turn * step  # type: ignore[operator]
                again.time_base, again.is_keyframe, again.stream = packet.time_base, packet.is_keyframe, copy
                target.mux(again)
    return path


@pytest.fixture(scope="module")
def ten_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 25 frames a second with a key frame every two, at some 200 kbit/s."""
    options = {"preset": "ultrafast", "g": "50", "keyint_min": "50", "bf": "2", "sc_threshold": "0", "b": "200k"}
    return write_clip(tmp_path_factory.mktemp("seconds") / "ten.mp4", frames=250, options=options)


def read(source: Path | WebFile, chosen: Callable[[int], Sequence[int]]) -> tuple[list[Any], list[str], bool]:
    """Return the frames, the warnings, and whether frames were sought."""
    with VideoReader(source) as video:
        frames = video.read_sampled(chosen)
        return frames, video.warnings, video.seeks


def require_same(found: list[Any], wanted: list[Any]) -> None:
    assert [(frame.index, frame.pts_s) for frame in found] == [(frame.index, frame.pts_s) for frame in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def outcome(source: Path | WebFile) -> tuple[str, str] | list[str]:
    """Return the warnings, or the cause and the remedy of the error."""
    try:
        return read(source, lambda count: centre_indices(count, 5))[1]
    except InputError as error:
        return error.cause, error.remedy


def check(serve: Serve, path: Path, parts: Parts, *, segments: int = 5) -> list[str]:
    """Require that `path` gives the same frames from a server, and return the warnings of that."""

    def chosen(count: int) -> list[int]:
        return centre_indices(count, segments)

    frames, warnings, _ = read(web_file(serve(parts, name=path.name)), chosen)
    wanted, told, _ = read(path, chosen)
    require_same(frames, wanted)
    assert [warning for warning in warnings if "were read" not in warning] == told
    return warnings


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
def test_a_few_frames_of_an_hour_of_mp4_take_a_tenth_of_its_bytes(
    serve: Serve, tmp_path: Path, ten_seconds: Path, first: bool
) -> None:
    path = with_index(tmp_path / "long.mp4", first=first, turns=360, clip=ten_seconds)
    parts = Parts(path.read_bytes())
    assert check(serve, path, parts, segments=25) == []
    assert parts.sent <= len(parts.data) / 10
    assert len(parts.asked) <= 25 + 4  # groups of pictures; the first bytes, the end, the index, the first packet


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 20, 240])
def test_no_more_is_asked_for_than_the_index_and_the_groups_of_pictures_that_are_wanted(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch, segments: int
) -> None:
    for name in ("_FIRST", "_LEAST", "_MOST"):
        monkeypatch.setattr(content, name, BLOCK)
    parts = Parts(web_clip.read_bytes())
    check(serve, web_clip, parts, segments=segments)
    places = packet_places(web_clip)
    index = len(parts.data) - max(at + size for at, size in places)
    groups = {frame // 12 for frame in centre_indices(240, segments)}
    wanted = sum(size for number, (_, size) in enumerate(places) if number // 12 in groups)
    # Of the file, of the index, of its last bytes, of a first packet; and what FFmpeg reads on, in place of
    # seeking, to what is less than 32 kB away.
    beginnings = 5 + 32768 // BLOCK
    assert parts.sent <= index + wanted + 2 * (len(groups) + beginnings) * BLOCK
    blocks = [block for begin, end in parts.asked for block in range(begin // BLOCK, -(-end // BLOCK))]
    assert len(blocks) == len(set(blocks)), "something was asked for twice"
    assert len(parts.asked) <= 2 * len(groups) + beginnings


@pytest.mark.parametrize(
    ("name", "ranges", "states_length"),
    [
        *((name, True, True) for name in ("clip.mp4", "clip.mkv", "clip.ts", "clip.avi", "fragments.mp4")),
        *(("clip.mp4", False, states_length) for states_length in (True, False)),
    ],
)
def test_files_of_other_kinds_and_from_other_servers_give_the_same_frames(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ranges: bool, states_length: bool
) -> None:
    monkeypatch.setattr(content, "_MUCH", 1000)
    monkeypatch.setattr(content, "_FIRST", BLOCK)
    monkeypatch.setattr(content, "_LEAST", BLOCK)
    path = tmp_path / name
    write_clip(path, frames=36, options=X264)
    if name == "fragments.mp4":
        fragments = {**X264, "movflags": "frag_keyframe+empty_moov"}
        whole = write_clip(tmp_path / "whole.mp4")
        with av.open(str(path), "w", options=fragments) as target, av.open(str(whole)) as clip:
            stream = clip.streams.video[0]
            copy = target.add_stream_from_template(stream)
            for packet in clip.demux(stream):
                if packet.size:
                    packet.stream = copy
                    target.mux(packet)
    parts = Parts(path.read_bytes(), ranges=ranges, states_length=states_length)
    warnings = check(serve, path, parts)
    assert parts.sent <= len(parts.data)
    if not ranges:
        assert len(parts.asked) == 1
        assert "comes from a server that sends no parts" in warnings[-1]
    elif name != "clip.mp4":
        assert "has no table of its frames" in warnings[-1]


@pytest.mark.parametrize("damaged", [0, 1, 12, 48])
def test_where_the_packets_are_not_what_the_index_says_the_file_is_read_as_one_of_a_disk(
    serve: Serve, tmp_path: Path, damaged: int
) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=48, options=X264)
    damage_packets(path, range(damaged))
    check(serve, path, Parts(path.read_bytes()), segments=8)


@pytest.mark.parametrize("options", [OPEN_GOP, REFRESH])
@pytest.mark.parametrize("lies", [0, 1, 5])
def test_key_frames_that_are_none_are_not_begun_at(
    serve: Serve, tmp_path: Path, options: dict[str, str], lies: int
) -> None:
    """The table says of each frame whose number is a multiple of `lies` that decoding may begin there."""
    clip, path = write_clip(tmp_path / "a.mp4", frames=48, options=options), tmp_path / "b.mp4"
    with av.open(str(clip), **open_options()) as source, av.open(str(path), "w", **open_options()) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for number, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
            packet.is_keyframe |= lies > 0 and number % lies == 0
            packet.stream = copy
            target.mux(packet)
    check(serve, path, Parts(path.read_bytes()), segments=8)


def test_where_a_packet_is_not_what_the_index_says_it_is_sought_no_more(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_MUCH", 1000)
    file = web_file(serve(Parts(web_clip.read_bytes())))
    wanted, warnings, seeks = read(file, range)
    assert seeks
    assert warnings == [], "all of it was wanted"
    monkeypatch.setattr(UnseenPackets, "is_as_told", lambda *_, **__: False)
    found, warnings, seeks = read(file, range)
    assert not seeks
    assert warnings[-1].endswith("MB were read, as it is not as its table of frames says")
    require_same(found, wanted)


@pytest.mark.parametrize("number", [0, 1, 12])
def test_a_packet_is_looked_at_when_it_is_to_be_decoded(web_clip: Path, number: int) -> None:
    with VideoReader(web_clip) as reader:
        index = reader.index
    video = open_container(web_clip)
    try:
        unseen = UnseenPackets(video, index)
        packet = next(islice(video_packets(video), number, None))
        assert unseen.is_as_told(packet, starts=False)
        assert unseen.is_as_told(packet, starts=True) is (number % 12 == 0)
        assert not unseen.is_as_told(av.Packet(bytes(packet)[:-1]), starts=False)
    finally:
        video.close()


@pytest.mark.parametrize("segments", [1, 4, 48])
def test_sound_between_the_pictures_is_passed_over(serve: Serve, tmp_path: Path, segments: int) -> None:
    clip, path = write_clip(tmp_path / "silent.mp4", frames=48, options=X264), tmp_path / "sound.mp4"
    with av.open(str(clip), **open_options()) as source, av.open(str(path), "w", **open_options()) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        sound = target.add_stream("aac", rate=8000)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
                samples = np.random.default_rng(packet.pts).normal(size=(1, 320)).astype(np.float32) / 4
                target.mux(sound.encode(frame_of(samples, rate=8000)))
        target.mux(sound.encode(None))
    assert check(serve, path, Parts(path.read_bytes()), segments=segments) == []


def frame_of(samples: np.ndarray, *, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate = rate
    return frame


def test_frames_that_an_edit_list_hides_stay_hidden(serve: Serve, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=48, options=X264)
    show_by_edit_list(path, first=7, frames=20)
    check(serve, path, Parts(path.read_bytes()), segments=8)


@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_was_cut_before_it_came_to_the_server_is_told_as_one_of_a_disk(
    serve: Serve, tmp_path: Path, share: float, first: bool
) -> None:
    clip = write_clip(tmp_path / "whole.mp4", frames=36, options=X264)
    whole = with_index(tmp_path / "index.mp4", first=first, turns=1, clip=clip).read_bytes()
    path = tmp_path / "clip.mp4"
    path.write_bytes(whole[: int(share * len(whole))])
    assert outcome(web_file(serve(Parts(path.read_bytes())))) == outcome(path)


def test_the_file_goes_to_other_processes_and_shows_no_password() -> None:
    file = web_file("http://user:secret@host/clip.mp4")
    assert pickle.loads(pickle.dumps(file)) == file
    assert "secret" not in f"{file} {file!r}"


@pytest.mark.parametrize("seed", range(8))
def test_what_is_known_of_a_file_is_what_was_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 12 * BLOCK))
    data = rng.bytes(size)
    with Kept() as kept:
        kept.resize(size)
        for _ in range(6):
            begin, end = sorted(rng.integers(0, size + 1, 2).tolist())
            while (gap := kept.gap(begin, end)) is not None:
                kept.write(gap[0], data[slice(*gap)])
                kept.know(*gap)
            if begin < end:
                assert kept.known_from(begin, most=end - begin) == end - begin
                assert kept.read(begin, end - begin) == data[begin:end]
        assert kept.count <= size
