import os
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.uri import expand_stream_sources
from pptsn.runtime.video import WebFile


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.AVI", "notes.txt", "deep/c.webm", "frames/img_00001.jpg", "odd[1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def relative(sources: list[str], root: Path) -> list[str]:
    return [str(Path(source).relative_to(root)) for source in sources]


def test_a_folder_means_all_videos_below_in_order(tree: Path) -> None:
    assert relative(expand_sources([str(tree)]), tree) == ["a.AVI", "b.mp4", "deep/c.webm", "odd[1].mp4"]


def test_a_folder_without_videos_means_itself(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "frames")]), tree) == ["frames"]


def test_patterns_mean_what_they_match(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "*.mp4")]), tree) == ["b.mp4", "odd[1].mp4"]
    assert relative(expand_sources([str(tree / "**" / "*.webm")]), tree) == ["deep/c.webm"]
    assert relative(expand_sources([str(tree / "d*")]), tree) == ["deep/c.webm"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "odd[1].mp4")]), tree) == ["odd[1].mp4"]


def test_what_matches_nothing_stays_to_be_reported(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "none.mp4"), str(tree / "*.mkv")]), tree) == ["none.mp4", "*.mkv"]


def test_a_list_names_sources_relative_to_itself(tree: Path) -> None:
    (tree / "my list.txt").write_text(f"# clips\nb.mp4\n\n  deep  \n{tree}/a.AVI\n")
    sources = expand_sources([f"@{tree / 'my list.txt'}"])
    assert relative(sources, tree) == ["b.mp4", "deep/c.webm", "a.AVI"]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", None])
def test_a_useless_list_is_an_error_in_its_place(tree: Path, content: bytes | None) -> None:
    if content is not None:
        (tree / "list").write_bytes(content)
    before, error, after = expand_sources([str(tree / "b.mp4"), f"@{tree / 'list'}", str(tree / "a.AVI")])
    assert relative([before, after], tree) == ["b.mp4", "a.AVI"]
    assert isinstance(error, InputError)
    assert str(error).startswith(f"@{tree / 'list'}: the list ")


@pytest.mark.parametrize("scheme", ["rtmp", "RTSP"])
@pytest.mark.parametrize("rest", ["", "/live.mp4", "/live?token=secret", "/[1]*.mp4"])
@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_address_is_told_as_one_without_its_credentials(
    tree: Path, scheme: str, rest: str, in_a_list: bool
) -> None:
    address = f"{scheme}://user:secret@cam:8554{rest}"
    (tree / "list").write_text(address)
    (error,) = expand_sources([f"@{tree / 'list'}" if in_a_list else address])
    assert isinstance(error, InputError)
    assert str(error).startswith(f"{scheme}://cam:8554: is no file, and no address of one (http://, https://); ")
    assert "secret" not in str(error)


@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
@pytest.mark.parametrize("rest", ["", "/live.mp4", "/live?token=secret", "/[1]*.mp4"])
@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_address_of_http_is_a_file_without_its_credentials(
    tree: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, rest: str, in_a_list: bool
) -> None:
    monkeypatch.setenv("DOOR", "secret")
    address = f"{scheme}://user:${{DOOR}}@cam:8554{rest}"
    (tree / "list").write_text(address)
    (file,) = expand_sources([f"@{tree / 'list'}" if in_a_list else address])
    assert isinstance(file, WebFile)
    assert file.url == f"{scheme}://user:secret@cam:8554{rest}"
    assert str(file) == f"{scheme}://cam:8554{rest.replace('secret', '***')}"
    assert "secret" not in repr(file)


@pytest.mark.parametrize(
    "url", ["http://", "http://u:secret@h:port/a.mp4", "http://u:${NONE}@h/a", "http://h/a b"]
)
def test_an_address_of_http_that_makes_no_sense_is_an_error_in_its_place(tree: Path, url: str) -> None:
    before, error, _ = expand_sources([str(tree / "b.mp4"), url, str(tree / "a.AVI")])
    assert before == str(tree / "b.mp4")
    assert isinstance(error, InputError)
    assert "secret" not in str(error)


def test_a_number_that_is_no_file_is_told_of_cameras(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    (error,) = expand_sources(["0"])
    assert str(error) == "0: there is no such file; for the camera of that number: pptsn stream 0"
    (tree / "0").touch()
    assert expand_sources(["0"]) == ["0"]


def test_a_name_too_long_to_exist_stays_to_be_reported(tree: Path) -> None:
    assert expand_sources(["a" * 300]) == ["a" * 300]


def test_no_source_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no source given"):
        expand_sources([])


def _told(arguments: list[str]) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    found = expand_sources(arguments, note=notes.append)
    return [str(source) for source in found], notes


def _folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"x")
    return path


@pytest.mark.parametrize("others", range(0, 12, 3))
def test_files_left_out_of_a_folder_are_counted_and_named(others: int, tmp_path: Path) -> None:
    folder = _folder(tmp_path, "a.mp4", "b.dv", *(f"deep/{number:02}.txt" for number in range(others)))
    found, notes = _told([str(folder)])
    assert found == [f"{folder}/a.mp4", f"{folder}/b.dv"]
    assert len(notes) == bool(others)
    if others:
        assert notes[0].startswith(f"{folder}: {others} files are left out, by name no video: deep/00.txt, ")
        assert notes[0].endswith(f" and {others - 5} more") == (others > 5)


def test_companions_of_other_systems_are_no_sources(tmp_path: Path) -> None:
    companions = ["._a.mp4", ".DS_Store", "Thumbs.db", "@eaDir/a.mp4/b.mp4", "__MACOSX/._b.mp4"]
    folder = _folder(tmp_path / "clips", "a.mp4", *companions)
    assert _told([str(folder)]) == ([f"{folder}/a.mp4"], [])
    assert _told([f"{folder}/*"]) == ([f"{folder}/a.mp4"], [])
    (tmp_path / "list").write_text("\n".join(["clips/a.mp4", *(f"clips/{name}" for name in companions)]))
    found, notes = _told([f"@{tmp_path}/list"])
    assert found == [f"{folder}/a.mp4"]
    assert len(notes) == 1
    assert "left out 5 lines of a system's own files: clips/._a.mp4, " in notes[0]
    assert _told([f"{folder}/._a.mp4"]) == ([f"{folder}/._a.mp4"], []), "named by itself"


def test_a_file_called_like_a_list_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_folder(tmp_path, "@user_reel.mp4", "a.mp4"))
    (tmp_path / "list").write_text("a.mp4\n")
    assert _told(["@user_reel.mp4", "@list"])[0] == ["@user_reel.mp4", "a.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_part_of_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "a.mp4", "closed/b.mp4")
    (folder / "closed").chmod(0)
    found = _told([str(folder)])[0]
    (folder / "closed").chmod(0o700)
    assert found == [
        f"{folder}/a.mp4",
        f"{folder}/closed: cannot be read (permission denied); check its permissions",
    ]


@pytest.mark.parametrize("links", range(3))
def test_links_to_folders_are_left_out_and_named(links: int, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "clips", "a.mp4", "b.txt")
    for number in range(links):
        (folder / f"more {number}").symlink_to(_folder(tmp_path / "elsewhere", "b.mp4"))
    found, notes = _told([str(folder)])
    assert found == [f"{folder}/a.mp4"]
    assert notes[0] == f"{folder}: 1 file is left out, by name no video: b.txt"
    told = ["1 linked folder is left out", "2 linked folders are left out"][links - 1]
    names = ["more 0", "more 0, more 1"][links - 1]
    assert (
        notes[1:] == [f"{folder}: {told}, not followed; name it as well if it is meant: {names}"][: min(links, 1)]
    )


def test_of_links_in_a_folder_those_that_lead_nowhere_are_sources_that_fail(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "clips", "a.mp4")
    (folder / "b.mp4").symlink_to(folder / "a.mp4")
    (folder / "c.mp4").symlink_to("gone.mp4")
    (folder / "d.mp4").symlink_to("d.mp4")
    (folder / "e.txt").symlink_to("gone.txt")
    os.mkfifo(folder / "f.mp4")
    found, notes = _told([str(folder)])
    assert found == [f"{folder}/{letter}.mp4" for letter in "abcd"]
    assert notes == [f"{folder}: 2 files are left out, by name no video: e.txt, f.mp4"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a\x0bb", "a\x0cb", "a\x85b", "a\u2028b", "a\rb", "a\x1eb"])
def test_lines_of_a_list_end_with_a_line_feed_alone(tmp_path: Path, name: str, end: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(f"# first{end}{name}.mp4{end}{end}c.mp4".encode())
    expected = [str(tmp_path / f"{name}.mp4"), str(tmp_path / "c.mp4")]
    assert expand_sources([f"@{path}"]) == expected
    streams = expand_stream_sources([f"@{path}"])
    assert [uri.target for uri in streams if isinstance(uri, SourceUri)] == expected
    path.write_bytes(f"{name}.mp4 1{end}c.mp4 0{end}".encode())
    assert [sample.path for sample in read_list(path)] == expected
