import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.lines import LineFile, ReaderGoneError, StandardOutput

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "x.jsonl"


def write(path: Path, *lines: str, **options: object) -> None:
    with_file = LineFile(path, **options)
    with_file.open()
    for line in lines:
        with_file.write_line(line)
    with_file.close()
    with_file.close()


def test_lines_can_be_read_as_soon_as_they_are_written(path: Path) -> None:
    file = LineFile(path)
    file.open()
    file.write_line("射箭")
    assert path.read_text(encoding="utf-8") == "射箭\n"
    file.close()


def test_a_new_run_goes_on_where_the_last_one_ended(path: Path) -> None:
    write(path, "one", "two")
    write(path, "three")
    assert path.read_text() == "one\ntwo\nthree\n"


def test_after_a_power_cut_the_next_line_stands_alone(path: Path) -> None:
    write(path, "one")
    with path.open("a") as stream:
        stream.write('{"half')
    write(path, "two", "three")
    assert path.read_text() == 'one\n{"half\ntwo\nthree\n'


def test_a_part_of_a_header_is_written_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a,b")
    write(path, "1,2,3", header="a,b,c")
    assert path.read_text() == "a,b,c\n1,2,3\n"


def test_other_columns_are_refused(path: Path) -> None:
    write(path, "1,2", header="a,b")
    with pytest.raises(UsageError, match="exists with other columns"):
        write(path, "1,2", header="a,c")
    assert path.read_text() == "a,b\n1,2\n"


def test_rotation_keeps_every_line_whole_and_in_order(path: Path) -> None:
    lines = [f"{i:03d} " + "x" * (i % 17) for i in range(100)]
    write(path, *lines, rotate_bytes=100, keep=1000)
    numbers = sorted(int(p.name.split(".")[1]) for p in path.parent.iterdir() if p != path)
    assert numbers == list(range(1, len(numbers) + 1))
    files = [path.with_name(f"x.{n}.jsonl") for n in reversed(numbers)] + [path]
    assert "".join(p.read_text() for p in files).splitlines() == lines
    assert all(0 < p.stat().st_size <= 100 for p in files)


def test_the_oldest_file_goes(path: Path) -> None:
    write(path, *"abcdef", rotate_bytes=2, keep=2)
    assert sorted(p.name for p in path.parent.iterdir()) == ["x.1.jsonl", "x.2.jsonl", "x.jsonl"]
    assert [path.with_name(n).read_text() for n in ("x.2.jsonl", "x.1.jsonl", "x.jsonl")] == ["d\n", "e\n", "f\n"]


def test_a_gap_between_old_files_costs_none_of_them(path: Path) -> None:
    write(path, *"abc", rotate_bytes=2, keep=2)
    path.with_name("x.1.jsonl").unlink()
    write(path, "d", rotate_bytes=2, keep=2)
    assert path.with_name("x.2.jsonl").read_text() == "a\n"
    assert path.with_name("x.1.jsonl").read_text() == "c\n"


def test_a_line_longer_than_the_limit_has_a_file_to_itself(path: Path) -> None:
    write(path, "a", "b" * 50, "c", rotate_bytes=10, keep=5)
    assert path.with_name("x.1.jsonl").read_text() == "b" * 50 + "\n"
    assert path.with_name("x.2.jsonl").read_text() == "a\n"


def test_each_rotated_file_has_the_header_once(path: Path) -> None:
    write(path, "1", header="n", rotate_bytes=6, keep=5)
    write(path, "2", "3", header="n", rotate_bytes=6, keep=5)
    assert path.with_name("x.1.jsonl").read_text() == "n\n1\n2\n"
    assert path.read_text() == "n\n3\n"


def test_rotation_that_failed_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LineFile(path, rotate_bytes=2, keep=3)
    file.open()
    file.write_line("a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        with pytest.raises(PermissionError):
            file.write_line("b")
    assert path.read_text() == "a\n"
    file.write_line("c")
    file.close()
    assert path.read_text() == "c\n"
    assert path.with_name("x.1.jsonl").read_text() == "a\n"


@pytest.mark.parametrize("how", ["renamed", "deleted", "replaced"])
def test_a_file_that_another_program_takes_away_is_begun_anew(path: Path, how: str) -> None:
    file = LineFile(path)
    file.open()
    file.write_line("one")
    path.unlink() if how == "deleted" else path.rename(path.with_name("old"))
    if how == "replaced":
        path.touch()
    file.write_line("two")
    file.close()
    assert path.read_text() == "two\n"


def test_a_file_that_another_program_empties_has_no_hole(path: Path) -> None:
    file = LineFile(path, header="n")
    file.open()
    file.write_line("one")
    os.truncate(path, 0)
    file.write_line("two")
    file.close()
    assert path.read_bytes() == b"n\ntwo\n"


@pytest.mark.parametrize(
    "begin",
    ["source,label\r\n", "\ufeffsource,label\r\n", '"source","label"\n', '\ufeff"source",label\r\na,b\r\n'],
)
@pytest.mark.parametrize("options", [{}, {"whole": True}])
def test_a_header_that_a_spreadsheet_has_spelled_otherwise_is_ours(
    tmp_path: Path, begin: str, options: dict[str, bool]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(begin.encode())
    write(path, "c,d", header="\ufeffsource,label", **options)
    assert path.read_bytes() == begin.encode() + b"c,d\n"


@pytest.mark.parametrize("begin", ["label,source\n", "source,label,note\n", "source;label\n", "source\n", "\n"])
def test_a_header_of_other_columns_is_refused(tmp_path: Path, begin: str) -> None:
    (tmp_path / "x.csv").write_text(begin)
    with pytest.raises(UsageError, match="exists with other columns"):
        write(tmp_path / "x.csv", "c,d", header="\ufeffsource,label")
    assert (tmp_path / "x.csv").read_text() == begin


def test_two_outputs_cannot_share_a_file(path: Path) -> None:
    first = LineFile(path)
    first.open()
    with pytest.raises(UsageError, match="another output or process writes it"):
        LineFile(path).open()
    first.close()
    write(path, "free again")


def test_places_that_cannot_be_written_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv: is a folder, expected a file name"):
        LineFile(tmp_path / "folder.csv").open()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .Not a directory.; choose a writable place"):
        LineFile(tmp_path / "file" / "x.csv").open()
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="is no regular file"):
        LineFile(tmp_path / "pipe.csv").open()


FILL = """
import resource, sys
from pathlib import Path
from pptsn.runtime.base.lines import LineFile

place, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
file = LineFile(place)
file.open()
written, failed = [], 0
for i in range(300):
    line = f"{i:04d} " + "x" * 700
    try:
        file.write_line(line)
        written.append(line)
    except OSError:
        failed += 1
assert failed, "it never filled"
assert place.read_text().splitlines() == written, "what failed left something behind"
ballast = place.with_name("ballast")
if ballast.exists():
    ballast.unlink()
else:
    import os
    os.truncate(place, 0)
    written.clear()
file.write_line("room again")
assert place.read_text().splitlines() == [*written, "room again"]
"""


def run_fill(place: Path, *, limit: int) -> None:
    subprocess.run(
        [sys.executable, "-c", FILL, str(place), str(limit)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_line_past_the_limit_of_a_file_leaves_nothing_behind(path: Path) -> None:
    run_fill(path, limit=100_001)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", place], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_no_half_line_and_works_again_with_room(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(32 * 1024))
    run_fill(small_disk / "x.jsonl", limit=0)


def test_the_first_of_new_lines_replaces_the_old_ones(path: Path) -> None:
    write(path, "old", "older")
    file = LineFile(path, anew=True)
    file.open()
    assert path.read_text() == "old\nolder\n"
    file.write_line("new")
    assert path.read_text() == "new\n"
    file.write_line("newer")
    file.close()
    assert path.read_text() == "new\nnewer\n"


def test_without_a_new_line_all_is_as_it_was(path: Path) -> None:
    write(path, anew=True)
    assert list(path.parent.iterdir()) == []
    write(path, "old")
    write(path, anew=True)
    assert path.read_text() == "old\n"


def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full after four bytes of whatever is written."""
    real = os.write

    def cut(descriptor: int, data: bytes) -> int:
        if len(data) < 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:4])

    monkeypatch.setattr(os, "write", cut)


@pytest.mark.parametrize("mode", ["w", "a"])
def test_a_line_that_a_full_disk_cuts_short_is_taken_back_from_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "out").write_text("before\n")
    with open(tmp_path / "out", mode) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output = StandardOutput()
        output.open()
        output.write_line("first")
        with monkeypatch.context() as patch:
            cut_short(patch)
            with pytest.raises(OSError, match="No space"):
                output.write_line("12345")
        output.write_line("next")
    assert (tmp_path / "out").read_text() == "before\n" * (mode == "a") + "first\nnext\n"


def test_a_line_that_was_cut_short_in_a_pipe_is_ended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(reading) as reader, open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output = StandardOutput()
        output.open()
        with monkeypatch.context() as patch:
            cut_short(patch)
            with pytest.raises(OSError, match="No space"):
                output.write_line("12345")
        output.write_line("next")
        stream.close()
        assert reader.read() == "1234\nnext\n"


def test_a_reader_that_has_gone_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output = StandardOutput()
        output.open()
        os.close(reading)
        for _ in range(2):
            with pytest.raises(ReaderGoneError, match="standard output: its reader has gone"):
                output.write_line("x")


def test_a_closed_output_says_so() -> None:
    output = StandardOutput()
    with pytest.raises(InputError, match="is closed"):
        output.write_line("x")
