"""What is OpenVINO's own: its options, its precision, its cache, and what it must not do behind a user's back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.openvino import backend as openvino_backend
from pptsn.runtime.engines.openvino.compiling import compiled_models
from tests.models import needs_openvino, write_tiny_model
from tests.runtime.engines.onnxruntime.test_engine import write_int8

pytestmark = [needs_openvino, pytest.mark.usefixtures("home")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def crops(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


def kept(home: Path) -> list[Path]:
    return sorted((home / ".cache/pptsn/openvino").glob("*"))


def test_it_says_what_it_is(model: Path) -> None:
    with open_engine(model, backend="openvino?cache=0", threads=1) as engine:
        assert engine.identity.backend == "openvino"
        assert engine.identity.version.count(".") == 2
        assert (engine.identity.device, engine.identity.precision, engine.threads) == ("cpu", "fp32", 1)
        assert engine.notes == ()


def test_a_gpu_is_not_its_device(model: Path) -> None:
    with pytest.raises(UsageError, match="--device: openvino runs on the CPU alone; use --device cpu"):
        open_engine(model, backend="openvino", device="cuda")


def test_a_plan_is_not_its_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--backend: openvino runs \.onnx files, .*m\.engine is none"):
        open_engine(tmp_path / "m.engine", backend="openvino")


def test_a_graph_as_it_is_written_is_not_its_own(model: Path) -> None:
    with pytest.raises(UsageError, match="--no-optimise: openvino does not run graphs as they are written; use"):
        open_engine(model, backend="openvino", optimise=False)


@pytest.mark.parametrize(("target", "notes"), [("cpu", 0), ("tensorrt", 1)])
def test_a_file_for_tensorrt_is_noted(tmp_path: Path, target: str, notes: int) -> None:
    with open_engine(write_int8(tmp_path / "m.onnx", target), backend="openvino?cache=0") as engine:
        assert len(engine.notes) == notes
        assert all("is encoded for TensorRT" in note and "--target cpu" in note for note in engine.notes)


def test_bfloat16_is_refused_where_the_processor_has_no_amx(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_backend, "processor_features", lambda: frozenset({"avx512_bf16"}))
    with pytest.raises(MissingDependencyError, match="--backend openvino: bf16=1 needs a CPU with AMX"):
        open_engine(model, backend="openvino?bf16=1")
    monkeypatch.setattr(openvino_backend, "processor_features", lambda: frozenset({"amx_bf16"}))
    with open_engine(model, backend="openvino?bf16=1") as engine:
        assert str(engine.identity).endswith("on cpu in bfloat16")


def test_fp32_is_computed_as_such_where_the_processor_could_do_less(model: Path) -> None:
    with open_engine(model, backend="onnxruntime") as reference, open_engine(model, backend="openvino") as engine:
        np.testing.assert_allclose(engine.infer(crops()), reference.infer(crops()), atol=1e-5)


def test_a_compiled_model_is_kept_and_used(model: Path, home: Path) -> None:
    with open_engine(model, backend="openvino") as engine:
        first = engine.infer(crops())
    (entry,) = kept(home)
    written = entry.stat()
    with open_engine(model, backend="openvino") as engine:
        np.testing.assert_array_equal(engine.infer(crops()), first)
    assert entry.stat().st_ino == written.st_ino  # not made again
    open_engine(model, backend="openvino", threads=1).close()  # another compilation
    assert len(kept(home)) == 2


def test_none_is_kept_where_that_is_asked_for(model: Path, home: Path) -> None:
    open_engine(model, backend="openvino?cache=0").close()
    assert list(home.iterdir()) == []


def test_altered_weights_are_another_model(tmp_path: Path, home: Path) -> None:
    """Of the same name, size and time of change."""
    model = write_tiny_model(tmp_path / "m.onnx")
    times = (model.stat().st_atime, model.stat().st_mtime)
    with open_engine(model, backend="openvino") as engine:
        before = engine.infer(crops())
    write_tiny_model(model, mean=(0.4, 0.4, 0.4))
    os.utime(model, times)
    with open_engine(model, backend="openvino") as engine, open_engine(model, backend="onnxruntime") as reference:
        after = engine.infer(crops())
        np.testing.assert_allclose(after, reference.infer(crops()), atol=1e-5)
    assert not np.allclose(before, after, atol=1e-2)
    assert len(kept(home)) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_entry_is_made_again(model: Path, home: Path, damage: str) -> None:
    with open_engine(model, backend="openvino") as engine:
        first = engine.infer(crops())
    (entry,) = kept(home)
    whole = entry.read_bytes()
    flipped = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    entry.write_bytes({"cut": whole[:50], "flipped": flipped, "empty": b"", "foreign": b"x" * len(whole)}[damage])
    with open_engine(model, backend="openvino") as engine:
        np.testing.assert_array_equal(engine.infer(crops()), first)
    remade = compiled_models().load(entry.name)  # whole again, though not always to the bit what it was
    assert remade is not None
    assert remade.size > len(whole) // 2


def test_an_entry_that_openvino_refuses_is_made_again(model: Path, home: Path) -> None:
    open_engine(model, backend="openvino").close()
    (entry,) = kept(home)
    compiled_models().store(entry.name, b"no compiled model, though it came whole")
    with open_engine(model, backend="openvino") as engine:
        assert engine.infer(crops()).shape == (3, 4)
    assert entry.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_costs_no_more_than_time(model: Path, home: Path) -> None:
    (home / ".cache").write_text("a file where a folder should be")
    with open_engine(model, backend="openvino") as engine:
        assert engine.infer(crops()).shape == (3, 4)


_QUIET = """
import socket, sys
from pathlib import Path

def refuse(*arguments):
    print("network", arguments)
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from pptsn.runtime.engines import open_engine
import numpy as np
with open_engine(sys.argv[1], backend="openvino?cache=0") as engine:
    engine.infer(np.zeros((1, 32, 32, 3), np.uint8))
import threading
print([thread.name for thread in threading.enumerate()], "openvino_telemetry" in sys.modules)
print([str(path) for path in Path.home().rglob("*")])
"""


def test_nobody_is_told_and_nothing_is_written(model: Path, home: Path) -> None:
    """Its telemetry writes an identifier into the home folder, and sends an event, when `openvino` is imported."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    run = subprocess.run(
        [sys.executable, "-c", _QUIET, str(model)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.stdout == "['MainThread'] False\n[]\n"
