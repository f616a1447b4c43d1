"""Plans that are proven when they are built, and where they run, by a TensorRT that stands in for the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.engine import conversion
from pptsn.convert.engine.build import BuiltPlan
from pptsn.convert.engine.conversion import EngineReport, convert_to_engine
from pptsn.convert.engine.options import BuildOptions
from pptsn.convert.verify.carrying import carry
from pptsn.runtime.base.errors import InputError, VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import manifest_path, read_manifest
from pptsn.runtime.model.reference import Reference
from tests.models import write_tiny_model
from tests.runtime.engines.tensorrt import fake_gpu
from tests.runtime.engines.tensorrt.fake_gpu import FakeGpu, FakePlan, install_pycuda, means, tensorrt_module


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> FakePlan:
    """What a builder that stands in makes of any model: the mean colours of a crop."""
    gpu = FakeGpu()
    plan = FakePlan(gpu)
    install_pycuda(monkeypatch, gpu)
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(plan, "10.3.0"))
    monkeypatch.setattr(conversion, "build_plan", lambda *arguments, **options: BuiltPlan(b"a plan", []))
    return plan


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose reference holds what the plan answers where it is right."""
    path = write_tiny_model(tmp_path / "m.onnx")
    crops = drawn_crops(3, 32)
    carry(path, Reference.of(crops, means(crops), ModelFile.open(path).spec))
    return path


def build(model: Path, **options: object) -> EngineReport:
    return convert_to_engine(model, model.with_suffix(".engine"), BuildOptions(batch=(1, 4, 8), **options))  # type: ignore[arg-type]


def answer_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_gpu, "means", lambda crops: means(np.ascontiguousarray(crops[..., ::-1])))


def test_a_build_is_proven_and_the_manifest_says_where(plan: FakePlan, model: Path) -> None:
    report = build(model)
    assert report.unproven == ""
    (proof,) = read_manifest(model.with_suffix(".engine")).proofs
    assert (proof.device.gpu_name, proof.device.compute_capability) == ("Fake Orin", "8.7")
    assert (proof.device.library_version, proof.device.driver_version) == ("10.3.0", "13.0")
    assert (proof.crops, proof.limit) == (3, 0.02)
    assert proof.error < 1e-6
    with open_engine(model.with_suffix(".engine")) as engine:
        assert engine.notes == ()


@pytest.mark.parametrize("said", [{}, {"stream_window_s": 2.5, "stream_segments": 5, "stream_views": "three"}])
def test_a_plan_says_of_streams_what_its_file_does(
    plan: FakePlan, tmp_path: Path, said: dict[str, object]
) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", **said)
    build(model)
    with open_engine(model.with_suffix(".engine")) as engine:
        assert {f"stream_{name}": value for name, value in engine.spec.said_of_streams.items()} == said


def test_a_build_that_answers_wrongly_is_not_written(
    plan: FakePlan, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_wrongly(monkeypatch)
    with pytest.raises(VerificationError, match=r"m\.engine: by tensorrt 10\.3\.0 on cuda:0 .*: against Paddle's"):
        build(model)
    assert [path.name for path in model.parent.iterdir()] == ["m.onnx"]


def test_a_plan_that_does_not_run_here_is_written_and_said_not_to_be_proven(
    plan: FakePlan, model: Path, run
) -> None:  # type: ignore[no-untyped-def]
    plan.refused = "no such kernel"
    output = model.with_suffix(".engine")
    ending = run("convert", "engine", model, "-o", output, "--batch", "1,4,8")
    assert ending.code == 0
    (line,) = [line for line in ending.err.splitlines() if "proven" in line]
    assert line.startswith("pptsn: note: the plan was not proven: it does not run here (")
    assert line.endswith(f"on its device run: pptsn verify {output}")
    assert read_manifest(output).proofs == ()
    plan.refused = ""
    with open_engine(output) as engine:
        (note,) = engine.notes
    assert note.endswith(f"; do it by: pptsn verify {output}")


def test_the_command_says_where_a_build_was_proven(plan: FakePlan, model: Path, run) -> None:  # type: ignore[no-untyped-def]
    ending = run("convert", "engine", model, "-o", model.with_suffix(".engine"), "--batch", "1,4,8")
    assert ending.code == 0
    assert "proven against Paddle's logits for 3 crops on Fake Orin, compute capability 8.7" in ending.out


def test_a_model_without_a_reference_makes_a_plan_without_proof(plan: FakePlan, tmp_path: Path) -> None:
    report = build(write_tiny_model(tmp_path / "m.onnx"))
    assert report.unproven.startswith("its ONNX file carries no reference; convert that again")
    assert (report.manifest.reference, report.manifest.proofs) == (None, ())


def test_verify_proves_a_plan_on_another_kind_of_device_and_keeps_it(plan: FakePlan, model: Path, run) -> None:  # type: ignore[no-untyped-def]
    build(model, hardware_compatible=True)
    output = model.with_suffix(".engine")
    model.unlink()
    plan.gpu.capability = (9, 0)
    ending = run("verify", output)
    assert ending.code == 0
    assert "was never proven on this kind of device" in ending.err
    assert "kept in the manifest: proven on Fake Orin, compute capability 9.0" in ending.out
    proofs = read_manifest(output).proofs
    assert [proof.device.compute_capability for proof in proofs] == ["8.7", "9.0"]
    report = json.loads(output.with_name("m.engine.verify.report.json").read_text())
    assert (report["passed"], report["engine"]["device_name"]) == (True, "Fake Orin")
    again = run("verify", output)
    assert "never proven" not in again.err
    assert "kept in the manifest" not in again.out


def test_a_plan_that_was_right_once_and_is_no_more_loses_its_proof(
    plan: FakePlan, model: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    build(model)
    output = model.with_suffix(".engine")
    answer_wrongly(monkeypatch)
    ending = run("verify", output)
    assert ending.code == 1
    assert "FAILED" in ending.out
    assert "kept in the manifest: no longer proven on Fake Orin" in ending.out
    assert read_manifest(output).proofs == ()


def test_limits_of_the_user_s_own_prove_nothing(plan: FakePlan, model: Path, run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    build(model)
    output = model.with_suffix(".engine")
    before = manifest_path(output).read_bytes()
    answer_wrongly(monkeypatch)
    assert run("verify", output, "--tolerance", 1000).code == 0
    assert manifest_path(output).read_bytes() == before


def test_a_manifest_that_cannot_be_written_is_a_remark(
    plan: FakePlan, model: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    build(model, hardware_compatible=True)
    plan.gpu.capability = (9, 0)

    def refuse(path: Path, text: str) -> None:
        raise InputError(path, "cannot be written (Read-only file system)")

    monkeypatch.setattr("pptsn.runtime.model.manifest.write_text", refuse)
    ending = run("verify", model.with_suffix(".engine"))
    assert ending.code == 0
    assert "note: the manifest was not changed: " in ending.out
    assert "Read-only file system" in ending.out
