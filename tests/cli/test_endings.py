"""Ctrl-C once, or SIGTERM, ends any command wherever it is: soon, with its code, without a traceback."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import UNFINISHED
from tests.cli.endings import start, stop, wait_until_it_heeds, write_endless_model
from tests.convert.precision_models import write_clips, write_residual_model
from tests.models import write_tiny_model
from tests.training.runs import make_lists, tiny_recipe
from tests.waiting import SOON_S

# What bench may take to publish what it has.
PUBLISHING_S = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, clips, lists and a recipe."""
    folder = tmp_path_factory.mktemp("endings")
    write_tiny_model(folder / "m.onnx")
    write_endless_model(folder / "endless.onnx")
    write_residual_model(folder / "residual.onnx")
    write_clips(folder / "clips")
    (folder / "many").write_text(f"{folder / 'clips' / '0.mp4'}\n" * 3000)
    (folder / "labelled.txt").write_text(f"{folder / 'clips' / '0.mp4'} 0\n" * 500)
    (folder / "lists").mkdir()
    recipe = tiny_recipe(make_lists(folder / "lists"), epochs=500)
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    return folder


def waits_for_a_pipe(folder: Path, tmp_path: Path) -> list[object]:
    os.mkfifo(tmp_path / "pipe")
    return ["classify", f"@{tmp_path / 'pipe'}", "--model", folder / "m.onnx"]


def streams_from_a_pipe(folder: Path, tmp_path: Path) -> list[object]:
    return ["stream", *waits_for_a_pipe(folder, tmp_path)[1:]]


def classifies_endlessly(folder: Path, tmp_path: Path) -> list[object]:
    model = folder / "endless.onnx"
    return ["classify", folder / "clips", "--model", model, "-o", tmp_path / "o.jsonl"]


def verifies_endlessly(folder: Path, tmp_path: Path) -> list[object]:
    models = [folder / "endless.onnx", folder / "m.onnx"]
    return ["verify", *models, "--clips", folder / "clips", "--report", tmp_path / "r.json"]


def evaluates_endlessly(folder: Path, tmp_path: Path) -> list[object]:
    return ["evaluate", folder / "recipe.yaml", "--weights", folder / "endless.onnx", "--set", "model.classes=4"]


def streams_endlessly(folder: Path, tmp_path: Path) -> list[object]:
    return ["stream", "synthetic:?live=1", "--model", folder / "endless.onnx"]


@pytest.mark.parametrize(
    ("hangs", "number"),
    [
        pytest.param(hangs, number, marks=() if hangs is default and number == of else pytest.mark.slow)
        for hangs, default, of in (
            (waits_for_a_pipe, waits_for_a_pipe, signal.SIGTERM),
            (streams_from_a_pipe, streams_from_a_pipe, signal.SIGINT),
            (classifies_endlessly, classifies_endlessly, signal.SIGINT),
            (verifies_endlessly, None, None),
            (evaluates_endlessly, None, None),
        )
        for number in SIGNALS
    ],
)
def test_a_command_that_waits_for_ever_ends(
    hangs: Callable[[Path, Path], list[object]], number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    with start(*hangs(folder, tmp_path)) as process:
        wait_until_it_heeds(process)
        time.sleep(2)
        assert process.poll() is None, process.communicate()
        ended = stop(process, number)
    assert ended.code == 128 + number, ended.errors
    assert "Traceback" not in ended.errors
    assert ended.errors.splitlines()[-1].startswith("pptsn: stopped")
    assert ended.took_s < SOON_S


@pytest.mark.slow
def test_a_stream_whose_model_hangs_ends(folder: Path, tmp_path: Path) -> None:
    with start(*streams_endlessly(folder, tmp_path)) as process:
        wait_until_it_heeds(process)
        time.sleep(4)
        ended = stop(process, signal.SIGTERM)
    assert ended.code in (0, 1)
    assert "Traceback" not in ended.errors
    assert ended.took_s < 2 * SOON_S


COMMANDS = {
    "classify": ("classify", "@{0}/many", "--model", "{0}/m.onnx", "-o", "{1}/o.jsonl"),
    "classify decoders": (
        "classify", "@{0}/many", "--model", "{0}/m.onnx", "--decoders", "2", "-o", "{1}/o.jsonl",
    ),
    "verify": ("verify", "{0}/m.onnx", "{0}/m.onnx", "--labelled", "{0}/labelled.txt", "--report", "{1}/r.json"),
    "evaluate": (
        "evaluate", "{0}/recipe.yaml", "--weights", "{0}/m.onnx", "--set", "model.classes=4",
        "--set", "data.test={0}/labelled.txt",
    ),
    "train": ("train", "{0}/recipe.yaml", "-o", "{1}/run"),
    "train workers": ("train", "{0}/recipe.yaml", "-o", "{1}/run", "--set", "data.workers=2"),
    "convert fp16": ("convert", "fp16", "{0}/residual.onnx", "-o", "{1}/h.onnx"),
    "convert int8": (
        "convert", "int8", "{0}/residual.onnx", "-o", "{1}/q.onnx", "--target", "cpu",
        "--calibration", "{0}/clips",
    ),
    "convert check": ("convert", "check", "{0}/residual.onnx"),
    "tune": ("tune", "{0}/m.onnx"),
    "synthesize": ("synthesize", "{1}/set"),
    "doctor": ("doctor",),
    "stream": ("stream", "synthetic:?live=1", "--model", "{0}/m.onnx", "-o", "{1}/s.jsonl"),
    "bench scenario": ("bench", "scenario", "single-stream", "--model", "{0}/m.onnx", "-o", "{1}/s.json"),
    "bench stages": ("bench", "stages", "{0}/clips", "--model", "{0}/m.onnx", "-o", "{1}/s.json"),
    "bench sweep": ("bench", "sweep", "--model", "{0}/m.onnx", "--list", "{0}/labelled.txt", "-o", "{1}/s.json"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("number", SIGNALS)
def test_at_random_moments_a_command_ends(
    command: str, number: signal.Signals, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    chance = random.Random(f"{command} {number}")
    for turn in range(2):
        place = tmp_path / str(turn)
        place.mkdir()
        arguments = [part.format(folder, place) for part in COMMANDS[command]]
        with start(*arguments) as process:
            time.sleep(chance.uniform(0.3, 4))
            ended = stop(process, number, whole_group=chance.random() < 0.5)
        own = {UNFINISHED} if command.startswith("train") else set()
        # Before the program is imported the signal itself ends the process, which is the same for shells.
        assert ended.code in {128 + number, -number, 0, *own}, ended.errors
        assert "Traceback" not in ended.errors, ended.errors
        assert ended.took_s < (PUBLISHING_S if "bench" in command else SOON_S), ended.errors


def test_a_second_ctrl_c_leaves_at_once(folder: Path, tmp_path: Path) -> None:
    # At the first one the engine would be interrupted, and the program ended, so much later.
    patient = "from pptsn.runtime.base import stopping; stopping.HURRY_S = stopping.GRACE_S = 60"
    code = f"{patient}\nfrom pptsn.cli.program import run; run()"
    with start(*classifies_endlessly(folder, tmp_path), code=code) as process:
        wait_until_it_heeds(process)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        ended = stop(process, signal.SIGINT)
    assert ended.code == 130


def test_what_was_answered_is_there_however_it_is_stopped(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.jsonl"
    with start("classify", f"@{folder / 'many'}", "--model", folder / "m.onnx", "-o", output) as process:
        while not (output.exists() and output.stat().st_size):
            time.sleep(0.05)
        ended = stop(process, signal.SIGTERM)
    assert ended.code == 143
    assert ended.errors == "pptsn: stopped; what was answered until now is kept\n"
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert 1 <= len(lines) < 3000
    assert all("error" not in line for line in lines)


def test_what_a_signal_left_half_removed_is_gone_at_the_end(tmp_path: Path) -> None:
    """A second Stopped cannot come, so what the first one interrupted in the removing is taken up again."""
    code = """if True:
        import shutil, signal
        from pptsn.cli import program
        from pptsn.runtime.base.temporary import temporary_folder

        remove, program.command_line = shutil.rmtree, lambda: works

        def interrupted(path, **options):
            shutil.rmtree = remove
            signal.raise_signal(signal.SIGINT)

        def works(*_, **__):
            with temporary_folder() as folder:
                (folder / "content").touch()
                shutil.rmtree = interrupted

        program.run()
        """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, "pptsn: stopped\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unread", ["a reader that has gone", "a full disk"])
def test_notes_that_nobody_can_read_end_nothing(unread: str) -> None:
    code = """if True:
        from pptsn.cli import program
        from pptsn.cli.lines import say
        from pptsn.runtime.base.progress import notes, print_note

        def works(*_, **__):
            console = notes()
            for epoch in range(100):
                console.print(f"epoch {epoch}")
                print_note("x" * 999)
                say("pptsn: warning: y", err=True)
            say("done")

        program.command_line = lambda: works
        program.run()
        """
    if unread == "a full disk":
        errors = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, errors = os.pipe()
        os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=errors, timeout=60, check=False
        )
    finally:
        os.close(errors)
    assert (ended.returncode, ended.stdout) == (0, b"done\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_command_begins_is_no_traceback(number: signal.Signals) -> None:
    code = f"""if True:
        import signal
        from pptsn.cli import program

        program._connect_standard_streams = lambda: signal.raise_signal({int(number)})
        program.run()
        """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "", "")


def test_ctrl_c_while_the_program_is_still_imported_is_no_traceback() -> None:
    code = """if True:
        import signal, sys
        from pptsn.cli import program

        class CtrlC:
            def find_spec(self, name, path=None, target=None):
                if name == "pptsn.runtime.base.stopping":
                    signal.raise_signal(signal.SIGINT)

        sys.meta_path.insert(0, CtrlC())
        signal.signal(signal.SIGINT, signal.default_int_handler)
        program.run()
        """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
