"""Names of streams."""

from __future__ import annotations

import pytest

from pptsn.runtime.stream.pipeline.roster import stream_name
from pptsn.runtime.stream.sources.uri import parse_source


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/door cam.mp4", "door-cam.mp4"),
        ("rtsp://admin:secret@10.0.0.7:554/live/ch1?token=abc", "10.0.0.7-live-ch1"),
        ("rtsp://10.0.0.7/user=admin_password=secret_channel=1.sdp", "10.0.0.7-user"),
        ("0", "video0"),
        ("-", "stdin"),
        ("synthetic:?seconds=1", "synthetic"),
        ("rtsp://camera/1?name=Front%20door", "Front-door"),
        ("clips/射箭.mp4", "射箭.mp4"),
        ("???", "file"),
    ],
)
def test_name_is_short_safe_and_without_credentials(source: str, name: str):
    assert stream_name(parse_source(source), ()) == name


def test_names_are_unique():
    uri = parse_source("clip.mp4")
    taken: list[str] = []
    for _ in range(3):
        taken.append(stream_name(uri, taken))
    assert taken == ["clip.mp4", "clip.mp4-2", "clip.mp4-3"]
