from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.device import DeviceOptions
from pptsn.runtime.stream.sources.file import FileOptions
from pptsn.runtime.stream.sources.gstreamer import GstOptions
from pptsn.runtime.stream.sources.synthetic import SyntheticOptions
from pptsn.runtime.stream.sources.uri import expand_stream_sources, parse_source


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize(
    ("text", "kind", "target", "display"),
    [
        ("clip.mp4", "file", "clip.mp4", "clip.mp4"),
        ("12:30.mp4", "file", "12:30.mp4", "12:30.mp4"),
        (".", "folder", ".", "."),
        ("0", "device", "/dev/video0", "/dev/video0"),
        ("/dev/video12", "device", "/dev/video12", "/dev/video12"),
        ("/dev/v4l/by-id/usb-cam", "device", "/dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam"),
        ("rtsp://u:p@host/a?b=c", "rtsp", "rtsp://u:p@host/a?b=c", "rtsp://host/a?b=c"),
        ("RTSPS://Host/A?B=c", "rtsp", "rtsps://Host/A?B=c", "rtsps://Host/A?B=c"),
        ("rtmp://host/live/x", "rtmp", "rtmp://host/live/x", "rtmp://host/live/x"),
        ("https://host:81/a", "http", "https://host:81/a", "https://host:81/a"),
        ("-", "stdin", "", "standard input"),
        ("stdin:", "stdin", "", "standard input"),
        ("synthetic:", "synthetic", "", "synthetic:"),
        ("synthetic:?frames=3", "synthetic", "", "synthetic:?frames=3"),
    ],
)
def test_each_kind_of_source_is_told_by_its_form(text: str, kind: str, target: str, display: str):
    uri = parse_source(text)
    assert (uri.kind, uri.target, uri.display) == (kind, target, display)


def test_a_pipeline_is_taken_word_for_word():
    text = "v4l2src ! video/x-raw,fps=1 ? a&b ! 'x  y' ]: z"
    assert parse_source(f"gst: {text}") == SourceUri("gst", text, f"gst:{text}", GstOptions(), is_live_kind=True)
    with_options = parse_source(f"gst[timeout=5&name=door]:{text}")
    assert with_options.target == text
    assert with_options.options == GstOptions(timeout_s=5.0, name="door")


def test_every_option_becomes_a_value():
    options = parse_source(
        "0?fps=29.97&size=640x480&format=mjpeg&pixel_format=yuyv422&timeout=2&name=a+b&threads=2"
    )
    assert options.options == DeviceOptions(
        fps=29.97, size=(640, 480), format="mjpeg", pixel_format="yuyv422", timeout_s=2, name="a b", threads=2
    )
    synthetic = parse_source("synthetic:?frames=10&seconds=0.5&seed=3&pattern=noise&live=1")
    assert synthetic.options == SyntheticOptions(frames=10, seconds=0.5, seed=3, pattern="noise", live=True)
    assert parse_source("rtsp://h/?transport=udp").options.transport == "udp"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://h/a?timeout=3&x=1&name=n&y=%20", "http://h/a?x=1&y=%20"),
        ("http://h/a?timeout=3", "http://h/a"),
        ("http://h/a?timeout=3#part", "http://h/a#part"),
        ("http://h/a?", "http://h/a?"),
        ("http://h/a?fps=5&size=2x2&transport=udp", "http://h/a?fps=5&size=2x2&transport=udp"),
        ("http://h/a?y&&x", "http://h/a?y&&x"),
        ("http://h/a?server.timeout=7&timeout=3", "http://h/a?timeout=7"),
        ("rtsp://h/a?transport=tcp&q=transport", "rtsp://h/a?q=transport"),
    ],
)
def test_a_network_address_keeps_the_parameters_that_are_not_ours(text: str, target: str):
    assert parse_source(text).target == target


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://user:sesame@host/x", "ftp://: unknown scheme; expected rtsp://, rtsps://, rtmp://"),
        ("clip.mp4?nosuch=1", "clip.mp4: unknown option 'nosuch'; expected one of decoder, fps, name, threads"),
        ("clip.mp4?size=1x1", "unknown option 'size'"),
        ("0?fps=0", "0?fps=0: fps=0 is out of range; expected 0.01 to 1000 frames a second"),
        ("0?fps=nan", "fps=nan is out of range"),
        ("0?size=640", "size=640 is out of range; expected WIDTHxHEIGHT"),
        ("0?size=640x-1", "is out of range"),
        ("0?threads=" + "9" * 5000, "is out of range; expected 1 to 64"),
        ("0?fps=1&fps=2", "the option fps is given twice"),
        ("-?live=1", "unknown option 'live'"),
        ("synthetic:?pattern=disco", "pattern=disco is out of range; expected bars, noise, still"),
        ("synthetic:?live=maybe", "live=maybe is out of range; expected 0 or 1"),
        ("rtsp://user:sesame@host/?transport=smoke", "rtsp://host/: transport=smoke is out of range"),
        ("gst[fps=2]:videotestsrc", "gst:videotestsrc: unknown option 'fps'; expected one of name, timeout"),
        ("gst:", "there is no pipeline"),
        ("rtsp://", "rtsp://...: names no host"),
        ("http://user:sesame@/x", "http://...: names no host"),
        ("rtsp://user:ses/ame@host/x", "rtsp://...: its port is no number"),
        ("rtsp://host:99999/x", "rtsp://...: its port is no number"),
        ("http://user:ses ame@host/x", "http://...: holds a space"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_without_credentials(text: str, said: str):
    with pytest.raises(UsageError) as raised:
        parse_source(text)
    assert said in str(raised.value)
    assert "sesame" not in repr(raised.value)
    assert "ses ame" not in repr(raised.value)


def test_credentials_are_in_no_text_form_of_a_source():
    for text in ("rtsp://admin:sesame@host/live?token=sesame", "gst:rtspsrc location=rtsp://admin:sesame@host/"):
        uri = parse_source(text)
        assert "sesame" in uri.target
        assert "sesame" not in f"{uri!r} {uri} {uri.display}"
        assert "admin" not in f"{uri!r} {uri} {uri.display}"


def test_a_source_can_be_hashed_and_sent_to_another_process():
    uri = parse_source("rtsp://u:p@host/?timeout=3&name=door")
    assert pickle.loads(pickle.dumps(uri)) == uri
    assert {uri: 1}[parse_source("rtsp://u:p@host/?timeout=3&name=door")] == 1


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("0", True),
        ("rtsp://h/x", True),
        ("rtmp://h/x", True),
        ("gst:videotestsrc", True),
        ("http://h/video", True),
        ("http://h/live.m3u8", True),
        ("http://h/live.ts", True),
        ("http://h/clip.mp4", False),
        ("http://h/clip.MP4?token=1", False),
        ("clip.mp4", False),
        (".", False),
        ("-", False),
        ("synthetic:", False),
        ("synthetic:?live=1", True),
    ],
)
def test_live_kinds_are_known(text: str, live: bool):
    assert parse_source(text).is_live_kind is live


def test_a_question_mark_in_the_name_of_a_file_that_exists_is_no_query():
    touch("what?fps=3.mp4", "why?")
    assert parse_source("what?fps=3.mp4").target == "what?fps=3.mp4"
    assert parse_source("what?fps=3.mp4?fps=4") == SourceUri(
        "file", "what?fps=3.mp4", "what?fps=3.mp4", FileOptions(fps=4.0)
    )
    assert parse_source("why??fps=4").target == "why?"
    assert parse_source("absent.mp4?fps=4").target == "absent.mp4"


def test_a_number_is_a_camera_even_where_a_file_has_that_name():
    touch("0")
    assert parse_source("0").kind == "device"
    assert parse_source("./0").kind == "file"


def targets(*arguments: str) -> list[tuple[str, str]]:
    return [(uri.kind, uri.target) for uri in expand_stream_sources(arguments) if isinstance(uri, SourceUri)]


def test_folders_patterns_and_addresses_expand_in_their_order():
    touch("videos/b.mp4", "videos/sub/a.mkv", "c1.mp4", "c2.mp4", "frames/img_00001.jpg")
    assert targets("rtsp://h/x", "videos", "c?.mp4", "frames", "1", "absent.mp4", "-") == [
        ("rtsp", "rtsp://h/x"),
        ("file", "videos/b.mp4"),
        ("file", "videos/sub/a.mkv"),
        ("file", "c1.mp4"),
        ("file", "c2.mp4"),
        ("folder", "frames"),
        ("device", "/dev/video1"),
        ("file", "absent.mp4"),
        ("stdin", ""),
    ]


def test_options_after_a_folder_or_a_pattern_hold_for_all_of_it():
    touch("videos/b.h264", "c1.h264", "c2.h264")
    found = expand_stream_sources(["videos?fps=5", "c?.h264?fps=6", "*.h264?fps=7"])
    rates = [(uri.target, uri.options.fps) for uri in found if isinstance(uri, SourceUri)]
    assert rates == [
        ("videos/b.h264", 5), ("c1.h264", 6), ("c2.h264", 6), ("c1.h264", 7), ("c2.h264", 7),
    ]  # fmt: skip


def test_a_list_may_hold_every_kind_of_source():
    touch("here/a.mp4", "here/b?fps=1.mp4")
    lines = [
        "# cameras", "", "rtsp://user:p@h/x?timeout=3", "0?fps=5", "a.mp4?fps=9", "b?fps=1.mp4", "/abs.mp4",
        "gst:videotestsrc ! identity", "synthetic:?frames=3",
    ]  # fmt: skip
    Path("here/list.txt").write_text("\n".join(lines))
    assert targets("@here/list.txt") == [
        ("rtsp", "rtsp://user:p@h/x"),
        ("device", "/dev/video0"),
        ("file", "here/a.mp4"),
        ("file", "here/b?fps=1.mp4"),
        ("file", "/abs.mp4"),
        ("gst", "videotestsrc ! identity"),
        ("synthetic", ""),
    ]


def test_a_list_that_cannot_be_read_stands_in_its_place_as_an_error():
    Path("empty.txt").write_text("# nothing\n")
    first, second, third = expand_stream_sources(["@absent.txt", "0", "@empty.txt"])
    assert isinstance(first, InputError)
    assert isinstance(second, SourceUri)
    assert "the list names no source" in str(third)


def test_a_line_of_a_list_that_makes_no_sense_stands_in_its_place_as_an_error():
    Path("list.txt").write_text("# cameras\nftp://u:sesame@h/x\r\n\na.mp4\nb.mp4?size=2x2\n0")
    first, video, second, camera = expand_stream_sources(["@list.txt"])
    assert isinstance(first, InputError)
    assert str(first).startswith("@list.txt:2: ftp://: unknown scheme; expected rtsp://")
    assert "sesame" not in str(first)
    assert isinstance(second, InputError)
    assert str(second).startswith("@list.txt:5: b.mp4: unknown option 'size'; expected one of decoder, fps")
    assert [uri.target for uri in (video, camera) if isinstance(uri, SourceUri)] == ["a.mp4", "/dev/video0"]


def test_standard_input_is_read_once():
    Path("list.txt").write_text("-")
    for arguments in (["-", "-?format=mpegts"], ["-", "@list.txt"]):
        with pytest.raises(UsageError, match="standard input is named more than once"):
            expand_stream_sources(arguments)


def test_no_source_at_all_is_a_usage_error():
    with pytest.raises(UsageError, match="no source given"):
        expand_stream_sources([])
