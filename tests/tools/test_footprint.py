"""What a command leaves and whom it calls: seen where it is planted, and nothing of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.endings.serving import serving
from tools.footprint import Footprint, footprint_of

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def left_by(program: str, folder: Path) -> Footprint:
    return footprint_of([sys.executable, "-c", program], folder)


@needs_strace
@pytest.mark.parametrize(
    ("program", "written"),
    [
        ("open(os.path.expanduser('~/id'), 'w')", ["~/id"]),
        ("open(os.path.expanduser('~/id'), 'a+')", ["~/id"]),
        ("os.chdir(os.path.expanduser('~')); os.mkdir('.tool'); open('.tool/id', 'w')", ["~/.tool/id"]),
        ("os.makedirs(os.path.expanduser('~/.cache/other/x'))", ["~/.cache/other", "~/.cache/other/x"]),
        ("open('a', 'w'); os.rename('a', os.path.expanduser('~/b'))", ["~/b"]),
        ("os.symlink('a', os.path.expanduser('~/link'))", ["~/link"]),
        ("subprocess.run(['touch', os.path.expanduser('~/child')])", ["~/child"]),
        (r"""os.mkdir(os.path.expanduser('~/ä "<1>"'))""", ['~/ä "<1>"']),
        (r"""open(os.path.expanduser('~/厨>1\n'), 'w')""", ["~/厨>1\n"]),
    ],
)
def test_what_a_command_writes_elsewhere_is_named(tmp_path: Path, program: str, written: list[str]) -> None:
    assert left_by(f"import os, subprocess; {program}", tmp_path).written == written


@needs_strace
def test_what_it_writes_in_its_places_is_not(tmp_path: Path) -> None:
    program = """if True:
        import os, tempfile
        from multiprocessing.shared_memory import SharedMemory
        from pathlib import Path

        Path("here").write_text("")
        cache = Path.home() / ".cache" / "pptsn" / "tuning"
        cache.mkdir(parents=True)
        (cache / "kept").write_text("")
        with tempfile.TemporaryDirectory() as name:
            Path(name, "a").write_text("")
        open(os.devnull, "w").close()
        memory = SharedMemory(create=True, size=8)
        memory.close()
        memory.unlink()
        open(os.__file__).read()
        """
    found = left_by(program, tmp_path)
    assert (found.exit_code, found.written, found.called) == (0, [], []), found.output


@needs_strace
@pytest.mark.parametrize(
    ("family", "host", "port", "called"),
    [
        ("AF_INET", "192.0.2.1", 9, ["192.0.2.1:9"]),
        ("AF_INET6", "2001:db8::1", 9, ["2001:db8::1:9"]),
        ("AF_INET", "127.0.0.1", 9, []),
        ("AF_INET6", "::1", 9, []),
        ("AF_INET", "127.0.0.53", 53, ["127.0.0.53:53"]),
    ],
)
def test_hosts_are_named_but_this_machine(
    tmp_path: Path, family: str, host: str, port: int, called: list[str]
) -> None:
    # Connecting a datagram socket sends nothing.
    program = f"""if True:
        import socket
        try:
            socket.socket(socket.{family}, socket.SOCK_DGRAM).connect(({host!r}, {port}))
        except OSError as error:
            print(error)
        """
    assert left_by(program, tmp_path).called == called


def test_onnx_runtime_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model.onnx")
    home = tmp_path / "home"
    home.mkdir()
    program = f"""if True:
        from pptsn import open_engine
        open_engine({str(model)!r}, backend="onnxruntime", device="cpu").close()
        """
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
    assert list(home.rglob("*")) == []


@needs_strace
@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="GStreamer is not installed")
def test_gstreamer_leaves_nothing_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orc, which makes code for its conversions, writes it into the home where it is told of no other place."""
    model = write_tiny_model(tmp_path / "model.onnx")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    source = "gst:videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=160,height=120"
    found = footprint_of([sys.executable, "-m", "pptsn", "stream", source, "--model", model], tmp_path)
    assert (found.exit_code, found.written) == (0, []), found.output


@needs_strace
@pytest.mark.slow
def test_nothing_is_left_or_called_from_training_to_the_stream(tmp_path: Path) -> None:
    """Each command from clips to live answers; ONNX Runtime's events would go out after ten seconds."""
    from pptsn.training.network.weights import save_weights
    from pptsn.training.synthetic.dataset import SyntheticSettings, make_dataset

    per_class = SyntheticSettings(train_per_class=4, val_per_class=2, test_per_class=2)
    make_dataset(tmp_path / "data", settings=per_class, workers=1)
    for clip in (tmp_path / "data" / "train").iterdir():
        place = tmp_path / "classes" / clip.stem.partition("_")[2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)
    save_weights({"w": np.zeros(9, np.float32)}, tmp_path / "small.pdparams")
    write_clip(tmp_path / "clip.mp4", frames=30)
    write_clip(tmp_path / "live.mp4", frames=15 * 25)
    changes = {"model.short_side": 48, "model.crop_size": 40, "optimizer.epochs": 1, "evaluation.views": "center"}
    changes |= {f"data.{name}": f"data/{name}.txt" for name in ("train", "val", "test", "labels")}
    settings = " ".join(f"--set {name}={value}" for name, value in changes.items())
    commands = [
        f"train demo {settings} --output run",
        f"train demo {settings} --set device=cpu --devices cpu:2 --output ranks",
        "report run --views center -o report",
        "data folder classes -o lists",
        "weights fetch ADDRESS/small.pdparams",
        "export --weights run/best.pdparams --clip-level -o inference",
        "export --weights run/best.pdparams -o export",
        "convert onnx export -o model.onnx",
        "convert int8 model.onnx -o int8.onnx --target cpu --calibration data/val.txt --method min-max"
        " --no-compensate --min-agreement 0",
        "verify model.onnx",
        "tune model.onnx --clip clip.mp4 --seconds 1",
        "classify clip.mp4 data/test --model int8.onnx -o rows.jsonl",
        "stream live.mp4 --model model.onnx --realtime -o events.jsonl",
    ]
    with serving(tmp_path) as address:
        for command in commands:
            words = command.replace("ADDRESS", address).split()
            found = footprint_of([sys.executable, "-m", "pptsn", *words], tmp_path)
            assert found.exit_code == 0, f"{command}: {found.output}"
            assert (found.written, found.called) == ([], []), command
