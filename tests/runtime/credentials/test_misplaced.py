"""An address that is taken for a file's name, in quotes or without its scheme, is told without its password."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.sources import expand_clips, expand_sources
from pptsn.runtime.credentials.misplaced import misplaced_address
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.uri import expand_stream_sources

PASSWORDS = ("s3same", "s3s@s3me", 's3s"me', "s3s'", "0/s3same", "0?s3same", "0#s3same", "s3[s]*me")
FORMS = ('"{scheme}{login}h{rest}"', "door,{scheme}{login}h{rest}", "- {scheme}{login}h{rest}", "{login}h{rest}")
RESTS = ("", "/x.mp4", ":554/x?token=s3same", "/" + "x" * 5000)


@pytest.mark.parametrize("form", FORMS)
def test_no_password_is_shown_wherever_the_address_stands(form: str, tmp_path: Path) -> None:
    for password, rest, scheme in itertools.product(PASSWORDS, RESTS, ("rtsp://", "http://", "rtps://")):
        text = form.format(scheme=scheme, login=f"u:{password}@", rest=rest)
        (tmp_path / "a list").write_text(text)
        (tmp_path / "labels").write_text(f"{text} 1")
        in_list, labelled = f"@{tmp_path / 'a list'}", f"@{tmp_path / 'labels'}"
        for found in (
            expand_sources([text]), expand_sources([in_list]), expand_stream_sources([text]),
            expand_stream_sources([in_list]), expand_clips([labelled]),
        ):  # fmt: skip
            assert found
            assert all(isinstance(each, InputError) for each in found), found
            assert "s3s" not in "".join(map(str, found))


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "srt"])
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("rest", RESTS)
def test_an_address_of_a_camera_is_shown_to_classify_without_its_password(
    scheme: str, password: str, rest: str
) -> None:
    (error,) = expand_sources([f"{scheme}://u:{password}@h{rest}"])
    assert isinstance(error, InputError)
    assert error.thing.startswith(f"{scheme}://")
    assert "s3s" not in str(error)


def test_a_quote_in_a_password_is_part_of_it() -> None:
    (uri,) = expand_stream_sources(["rtsp://u:s3s\"m'e@h/x"])
    assert isinstance(uri, SourceUri)
    assert uri.display == "rtsp://h/x"


@pytest.mark.parametrize("text", ["x" * 500_000, "x:" * 200_000, "/x:" * 200_000, "x:/" * 200_000])
def test_names_of_any_length_are_read_in_one_go(text: str) -> None:
    """By a search that tries every letter for a beginning these would take minutes."""
    assert misplaced_address(text) is None or "x:/" in text


@pytest.mark.parametrize("name", ["a.mp4", "C:/a.mp4", "12:30.mp4", "a@b.mp4", "a/b@c:d.mp4"])
def test_other_names_stay_to_be_reported(name: str) -> None:
    assert misplaced_address(name) is None


def test_a_file_that_is_called_so_is_that_file(tmp_path: Path) -> None:
    file = tmp_path / "12:30@door.mp4"
    file.touch()
    assert expand_sources([str(file)]) == [str(file)]
    assert [uri.target for uri in expand_stream_sources([str(file)]) if isinstance(uri, SourceUri)] == [str(file)]
