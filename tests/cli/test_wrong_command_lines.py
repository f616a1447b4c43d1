"""Command lines that people get wrong: one clear line each, of the thing, the cause, the remedy; and its code."""

from __future__ import annotations

import os
import pickle
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.progress import print_note
from tests.clips import write_clip
from tests.models import write_foreign_model, write_tiny_model

LONG = "x" * 5000
# Code, command line, what the line says of the thing, and of the cause and the remedy.
WRONG = [
    # No such command, option or value; none at all
    (2, "clasify v.mp4", "pptsn", "no such command 'clasify'. Did you mean 'classify'?; see: pptsn --help"),
    (2, "data chek l.txt", "pptsn data", "no such command 'chek'. Did you mean 'check'?; see: pptsn data --help"),
    (2, "--modle", "pptsn", "no such option: --modle; see: pptsn --help"),
    (2, "classify v.mp4 --modle m.onnx", "pptsn classify", "no such option: --modle (Possible options: --model"),
    (2, "classify v.mp4", "pptsn classify", "missing option '--model' / '-m'; see: pptsn classify --help"),
    (2, "classify --model m.onnx", "pptsn classify", "missing argument 'SOURCE'; see: pptsn classify --help"),
    (2, "classify v.mp4 --model m.onnx --top 0", "pptsn classify", "invalid value for '--top': "),
    (2, "classify v.mp4 --model m.onnx --segments 1e3", "pptsn classify", "invalid value for '--segments': "),
    (
        2,
        "classify v.mp4 --model",
        "pptsn classify",
        "option '--model' requires an argument; see: pptsn classify --help",
    ),
    (
        2,
        "stream --realtime=1 v.mp4",
        "pptsn stream",
        "option '--realtime' does not take a value; see: pptsn stream --help",
    ),
    (2, "classify '' --model m.onnx", "an argument", "is empty; give a value; a variable of the shell"),
    (2, "classify v.mp4 --model ''", "--model", "is empty; give a value; a variable of the shell"),
    (2, "classify v.mp4 --model=", "--model", "is empty; give a value; a variable of the shell"),
    (2, "synthesize ''", "an argument", "is empty; give a value; a variable of the shell"),
    (
        2,
        "classify v.mp4 --model m.onnx --sort x",
        "pptsn classify",
        "invalid value for '--sort': 'x' is not one of ",
    ),
    # Values out of range, that are no numbers, or that do not go together
    (2, "classify v.mp4 --model m.onnx --segments 0", "--segments", "expected 1 to 100000, got 0"),
    (2, f"classify v.mp4 --model m.onnx --segments {'9' * 400}", "--segments", "expected 1 to 100000, got 9999"),
    (2, "classify v.mp4 --model m.onnx --threads 1000000", "--threads", "expected 1 to 1024, got 1000000"),
    (2, f"classify v.mp4 --model m.onnx --threads {'9' * 20}", "--threads", "expected 1 to 1024, got 9999"),
    (2, "classify v.mp4 --model m.onnx --views nine", "--views", "unknown plan 'nine'; choose one of ten, "),
    (2, "classify v.mp4 --model m.onnx --sampling x", "--sampling", "unknown rule 'x'; choose one of centre, "),
    (2, "classify v.mp4 --model m.onnx --decoders -1", "--decoders", "expected auto or a number of 0 to 1024"),
    (2, "classify v.mp4 --model m.onnx --device gpu", "--device", "unknown device 'gpu'; choose auto, cpu, "),
    (2, "classify v.mp4 --model m.onnx --device cpu,cpu", "--device", "has the CPU among others; name GPUs alone"),
    (2, "classify v.mp4 --model m.onnx --backend x", "--backend", "unknown backend 'x'; choose one of auto, "),
    (2, "classify v.mp4 --model m.onnx --backend tensorrt", "--backend", "tensorrt runs plans, m.onnx is an "),
    (2, "classify v.mp4 --model m.onnx --tuning x", "--tuning", "unknown tuning 'x'; choose one of auto, "),
    (2, "stream v.mp4 --model m.onnx --window nan", "--window", "expected 0.001 to 2.592e+06, got nan"),
    (2, "stream v.mp4 --model m.onnx --window inf", "--window", "expected 0.001 to 2.592e+06, got inf"),
    (2, "stream v.mp4 --model m.onnx --queue 99999999999999", "--queue", "expected 1 to 256, got 99999999999999"),
    (2, "stream v.mp4 --model m.onnx --queue-memory nan", "--queue-memory", "expected 1 to 16000 megabytes"),
    (2, "stream v.mp4 --model m.onnx --threshold 0.4:0.6", "--threshold", "'0.4:0.6' is out of range; write ON"),
    (2, "stream v.mp4 --model m.onnx --classes nine", "--classes", "the model has no class 'nine'; give a label"),
    (
        2,
        "stream v.mp4 --model m.onnx --http 127.0.0.1:99999",
        "--http",
        "there is no port 99999; give one from 1 ",
    ),
    (2, "stream v.mp4 --model m.onnx --http 0.0.0.0:80", "--http 0.0.0.0:80", "without a token; add --http-token"),
    (2, "stream v.mp4 --model m.onnx -o x.doc", "--output", "unknown kind of output .doc; expected FILE.jsonl, "),
    (2, "data check l.txt --format x", "--format", "unknown format 'x'; choose one of videos, frames"),
    (2, "synthesize x --workers 9999999", "pptsn synthesize", "invalid value for '--workers': "),
    (2, "bench scenario x --model m.onnx", "NAME", "unknown scenario 'x'; choose one of single-stream, "),
    (
        2,
        "classify -dash.mp4 -m m.onnx",
        "pptsn classify",
        "no such option: -d; for the file of that name: ./-dash.mp4",
    ),
    (2, "classify -dish.mp4 -m m.onnx", "pptsn classify", "no such option: -d; see: pptsn classify --help"),
    # Inputs that are not there, or another thing
    (1, "classify no.mp4 --model m.onnx", "no.mp4", "there is no such file; check the path"),
    (1, "classify '*.avi' --model m.onnx", "*.avi", "there is no such file; check the path"),
    (
        1,
        "classify ./no//x.mp4 --model m.onnx",
        "./no//x.mp4",
        " ./no//x.mp4: there is no such file; check the path",
    ),
    (1, "classify ./empty --model m.onnx", "./empty", " ./empty: is empty (0 bytes); copy or download it again"),
    (
        1,
        "classify dead --model m.onnx",
        "dead",
        "is a link to gone.mp4, where there is no file; mend the link, or",
    ),
    (1, "classify loop --model m.onnx", "loop", "cannot be read (too many levels of symbolic links); check the"),
    (1, "classify dir --model m.onnx", "dir", "is an empty folder; name a video file or a folder of"),
    (1, "classify empty --model m.onnx", "empty", "is empty (0 bytes); copy or download it again"),
    (1, "classify m.onnx --model m.onnx", "m.onnx", "is not a video that can be opened"),
    (1, "classify - --model m.onnx", "-", "stands for standard input, expected a file; pipe it into"),
    (
        1,
        "classify rtsp://h/1 --model m.onnx",
        "rtsp://h",
        "is no file, and no address of one (http://, https://); give a camera or a stream to `pptsn stream`",
    ),
    (1, "classify @no --model m.onnx", "@no", "the list cannot be read (No such file or directory); check the"),
    (1, "classify @ --model m.onnx", "@", "there is no such file; check the path"),
    (1, "classify @dir --model m.onnx", "@dir", "the list cannot be read (Is a directory); check the path"),
    (1, "classify @empty --model m.onnx", "@empty", "the list names no source; expected one source a line"),
    (1, "classify @m.onnx --model m.onnx", "@m.onnx", "the list cannot be read (is no UTF-8 text); expected one"),
    # Models
    (1, "classify v.mp4 --model no.onnx", "no.onnx", "cannot be read (No such file or directory); name an .onnx"),
    (1, "train dir", "dir", "is a folder, expected a recipe; of a folder with one folder of clips a class"),
    (1, "classify v.mp4 --model dir", "dir", "cannot be read (Is a directory); name an .onnx file"),
    (1, "classify v.mp4 --model empty.onnx", "empty.onnx", "is empty (0 bytes); copy the file again, or convert"),
    (1, "classify v.mp4 --model l.txt", "l.txt", "is no ONNX model, or a damaged one ("),
    (1, "classify v.mp4 --model v.mp4", "v.mp4", "is no ONNX model, or a damaged one ("),
    (1, "classify v.mp4 --model c.pdparams", "c.pdparams", "is a checkpoint of Paddle's, expected an ONNX model"),
    (
        1,
        "classify v.mp4 --model foreign.onnx",
        "foreign.onnx",
        "is no PP-TSN model: its metadata has no pptsn",
    ),
    (1, "classify v.mp4 --model fifo", "fifo", "is no regular file; name an .onnx file"),
    (
        1,
        "verify m.onnx --reference dir",
        "dir/reference.npz",
        "(No such file or directory); export the",
    ),
    (1, "bench report fifo -o x.html", "fifo", "cannot be read (it is no regular file); check the name"),
    # Outputs
    (1, "classify v.mp4 --model m.onnx -o dir", "dir", "is a folder, expected a file name; name a file in it"),
    (1, "classify v.mp4 --model m.onnx -o v.mp4/o.csv", "v.mp4/o.csv", "cannot be written (Not a directory); "),
    (1, "classify v.mp4 --model m.onnx -o v.mp4/o.json", "v.mp4/o.json.jsonl", "cannot be written (Not a dir"),
    (
        2,
        "classify v.mp4 -m m.onnx -o o.txt",
        "o.txt",
        "has no ending that says how to write it; expected .jsonl, ",
    ),
    (2, "classify v.mp4 -m m.onnx -o https://a:b@h/", "--output", "is an address, expected a file; "),
    (2, "report dir -o r --evidence", "pptsn report", "no such option: --evidence (Possible"),
    (2, "predict v.mp4", "pptsn", "no such command 'predict'. Here it is called 'classify'; see: pptsn --help"),
    (2, "classify v.mp4 --model m.onnx -o v.mp4", "--output", "v.mp4 is an input as well; name another file"),
    (2, "classify v.mp4 --model m.onnx -o m.onnx", "--output", "m.onnx is an input as well; name another file"),
    (2, "classify v.mp4 -m m.onnx --gallery v.mp4", "--gallery", "v.mp4 is an input as well; name another file"),
    (2, "classify @l.json.jsonl -m m.onnx -o l.json", "--output", "l.json.jsonl is an input as well; name"),
    (1, "classify v.mp4 --model m.onnx -o fifo.json", "fifo.json", "is no regular file; name a file"),
    (1, "classify v.mp4 --model m.onnx --gallery fifo.html", "fifo.html", "is no regular file; name a file"),
    # Names that no terminal should be given, or is too narrow for
    (1, f"classify {LONG} --model m.onnx", LONG, "cannot be read (file name too long); "),
    (1, f"classify @{LONG} --model m.onnx", f"@{LONG}", "the list cannot be read (File name too long); "),
    (1, f"classify v.mp4 --model {LONG}", LONG, "cannot be read (File name too long); name an .onnx file"),
    (1, "classify 'a\n\x1b[31m.mp4' --model m.onnx", "a \\x1b[31m.mp4", "there is no such file; check the path"),
    (1, "classify 'a\udcff.mp4' --model m.onnx", "a\\xff.mp4", "there is no such file; check the path"),
    (1, "classify v.mp4 --model 'a\n\x1b[31m'", "a \\x1b[31m", "cannot be read (No such file or directory); name"),
    (2, "classify v.mp4 --model m.onnx '--a\x1b[31m'", "pptsn classify", "no such option: --a\\x1b[31m"),
]
UNREADABLE = [
    (
        "classify secret.mp4 --model m.onnx",
        "secret.mp4",
        "cannot be read (permission denied); check the",
    ),
    (
        "classify v.mp4 --model secret.onnx",
        "secret.onnx",
        "cannot be read (Permission denied); name an .onnx file",
    ),
    ("convert check secret.onnx", "secret.onnx", "cannot be read (Permission denied); name an .onnx"),
    ("data check secret.txt", "secret.txt", "cannot be read (Permission denied); name a list file"),
    ("classify @secret.txt --model m.onnx", "@secret.txt", "the list cannot be read (Permission denied); check"),
    ("classify closed/v.mp4 --model m.onnx", "closed/v.mp4", "cannot be read (permission denied); check the path"),
    ("classify v.mp4 --model closed/m.onnx", "closed/m.onnx", "cannot be read (Permission denied); name an .onnx"),
    ("classify v.mp4 --model m.onnx -o closed/o.jsonl", "closed/o.jsonl", "cannot be written (Permission denied)"),
    ("classify v.mp4 --model m.onnx -o fixed/o.jsonl", "fixed/o.jsonl", "cannot be written (Permission denied)"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each thing, and some that nobody but root may read or write."""
    folder = tmp_path_factory.mktemp("wrong")
    write_clip(folder / "v.mp4", frames=3)
    write_tiny_model(folder / "m.onnx")
    write_foreign_model(folder / "foreign.onnx")
    (folder / "c.pdparams").write_bytes(pickle.dumps({"w": np.zeros(2, np.float32)}, 2))
    (folder / "l.txt").write_text("v.mp4 0\n")
    for name in ("empty", "empty.onnx"):
        (folder / name).touch()
    for name in ("dir", "closed", "fixed"):
        (folder / name).mkdir()
    os.mkfifo(folder / "fifo")
    for name in ("fifo.json", "fifo.html"):
        (folder / name).symlink_to("fifo")
    (folder / "l.json.jsonl").write_text("v.mp4\n")
    (folder / "loop").symlink_to("loop")
    (folder / "dead").symlink_to("gone.mp4")
    (folder / "-dash.mp4").touch()
    for name in ("secret.mp4", "secret.onnx", "secret.txt"):
        (folder / name).write_text("v.mp4")
        (folder / name).chmod(0)
    (folder / "fixed").chmod(0o555)
    (folder / "closed").chmod(0)
    folder.chmod(0o755)
    return folder


@contextmanager
def without_rights() -> Iterator[None]:
    """Let the system treat this process as nobody's, where it is root's."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize(("code", "line", "thing", "said"), WRONG, ids=[case[1][:60] for case in WRONG])
def test_each_is_one_line(
    run, place: Path, monkeypatch: pytest.MonkeyPatch, code: int, line: str, thing: str, said: str
) -> None:
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    ending = run(*shlex.split(line))
    assert ending.err.startswith(f"pptsn: error: {thing}: ")
    assert said in ending.err
    assert ending.err.count("\n") == 1
    assert ending.err.strip().isprintable()
    assert (ending.code, ending.out) == (code, "")
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize(("line", "thing", "said"), UNREADABLE)
def test_so_is_what_the_user_has_no_right_to(
    run, place: Path, monkeypatch: pytest.MonkeyPatch, line: str, thing: str, said: str
) -> None:
    monkeypatch.chdir(place)
    run(*shlex.split(line))  # imports what only root may be able to read
    with without_rights():
        ending = run(*shlex.split(line))
    assert ending.err.startswith(f"pptsn: error: {thing}: {said}")
    assert ending.err.count("\n") == 1
    assert (ending.code, ending.out) == (1, "")


def test_without_a_command_there_is_the_page_of_commands(run) -> None:
    ending = run()
    assert ending.code == 2
    assert "Name the action in each video." in ending.out + ending.err


@pytest.mark.parametrize("size", ["0", "00", "99999999", "\u00b2", "\u0663", "abc", "-5", "", "9" * 5000])
def test_a_size_that_no_terminal_has_hides_no_message(
    run, monkeypatch: pytest.MonkeyPatch, capsys, size: str
) -> None:  # type: ignore[no-untyped-def]
    for name in ("COLUMNS", "LINES"):
        monkeypatch.setenv(name, size)
    ending = run("weights", "--help")
    assert "fetch" in ending.out
    assert max(map(len, ending.out.splitlines())) < 1000
    print_note("a line for people")
    assert "a line for people" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["1", "30", "400"])
def test_a_size_that_a_terminal_can_have_stays(run, monkeypatch: pytest.MonkeyPatch, size: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", size)
    run("--version")
    assert os.environ["COLUMNS"] == size


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "a.mp4", "--model", "ADDRESS"),
        ("train", "ADDRESS", "-o", "run"),
        ("convert", "onnx", "ADDRESS", "-o", "m.onnx"),
        ("data", "frames", "ADDRESS", "-o", "frames"),
        ("report", "ADDRESS", "-o", "r.html"),
        ("classify", "@ADDRESS", "--model", "m.onnx"),
    ],
)
def test_an_address_in_place_of_a_file_is_told_without_its_password(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "m.onnx")
    ending = run(*(argument.replace("ADDRESS", "http://user:s3same@host/file") for argument in arguments))
    assert ending.code in (1, 2)
    assert "host/file" in ending.err
    assert "s3same" not in ending.err
