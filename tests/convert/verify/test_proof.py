"""A model file by itself, against the reference that it carries: right builds pass, broken ones fail."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pptsn.convert.fp16.conversion import convert_to_fp16
from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.convert.verify import unrounded
from pptsn.convert.verify.agreement import normalised_errors
from pptsn.convert.verify.alone import prove_file
from pptsn.convert.verify.carrying import carry, carry_on, telling_reference
from pptsn.convert.verify.reference import StoredReference
from pptsn.convert.verify.runs import Runs
from pptsn.convert.verify.unrounded import without_rounding
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.reference import MOST_BYTES
from tests.convert.int8.test_conversion import no_bar
from tests.convert.precision_models import write_clips, write_residual_model
from tests.convert.proven_models import PRECISIONS, write_proven
from tests.models import tiny_spec, write_tiny_model
from tools.proofs import BREAKINGS, change, cut_activations, normalisation, write_broken

# As the file is written: what a processor without VNNI makes of fused INT8 is another matter.
AS_WRITTEN = Runs(optimise=False)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Path]:
    """Return a function that gives a small model in a precision, averaged with its mirror image or not."""
    made: dict[tuple[str, bool], Path] = {}

    def give(precision: str, mirror: bool = True) -> Path:
        if (precision, mirror) not in made:
            made[precision, mirror] = write_proven(tmp_path_factory.mktemp("proven"), precision, mirror=mirror)
        return made[precision, mirror]

    return give


@pytest.fixture
def only(proven: Callable[[str, bool], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives a small model in a precision, alone in a folder of its own."""

    def give(precision: str) -> Path:
        path = tmp_path / "alone" / "m.onnx"
        path.parent.mkdir()
        path.write_bytes(proven(precision, True).read_bytes())
        return path

    return give


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_right_build_passes(proven: Callable[[str, bool], Path], precision: str, mirror: bool) -> None:
    proof = prove_file(proven(precision, mirror), AS_WRITTEN)
    assert proof.passed, proof.failures()
    assert proof.build.figures.rows == 3
    limit = proof.build.limits.error_worst
    assert limit is not None
    assert proof.build.figures.error_worst < 0.6 * limit
    assert (proof.constants is not None) == precision.startswith("int8")


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("breaking", BREAKINGS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_broken_build_fails_though_its_digest_fits(
    proven: Callable[[str, bool], Path], tmp_path: Path, precision: str, breaking: str, mirror: bool
) -> None:
    broken = write_broken(proven(precision, mirror), BREAKINGS[breaking], tmp_path / "broken.onnx")
    with pytest.raises(VerificationError, match=r"broken\.onnx: by onnxruntime .* more than"):
        prove_file(broken, AS_WRITTEN).require_passed()


@pytest.mark.parametrize("mirror", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_converted_export_is_proven_by_its_file_alone(export: Path, tmp_path: Path, mirror: bool) -> None:
    convert_to_onnx(export, tmp_path / "m.onnx", mirror=mirror)
    (tmp_path / "alone").mkdir()
    alone = (tmp_path / "m.onnx").rename(tmp_path / "alone" / "m.onnx")
    proof = prove_file(alone, Runs())
    assert proof.passed, proof.failures()
    assert proof.build.figures.rows == 3
    assert proof.build.figures.error_worst < 1e-4
    broken = write_broken(alone, BREAKINGS["mirroring"], tmp_path / "broken.onnx")
    assert not prove_file(broken, Runs()).passed


@pytest.mark.parametrize("target", ["fp16", "tensorrt", "cpu"])
def test_conversions_hand_it_on(proven: Callable[[str, bool], Path], tmp_path: Path, target: str) -> None:
    source, output = proven("fp32", True), tmp_path / "m.onnx"
    if target == "fp16":
        convert_to_fp16(source, output)
    else:
        clips = [str(path) for path in write_clips(tmp_path / "clips").iterdir()]
        options = Int8Options(target=target, method="min-max", frames=48, cache=False)
        convert_to_int8(source, output, clips, options=options, bar=no_bar)
    proof = prove_file(output, AS_WRITTEN)
    assert proof.passed, proof.failures()
    before, after = ModelFile.open(source).reference, ModelFile.open(output).reference
    assert before is not None
    assert after is not None
    assert (after.crops_png, after.paddle_logits) == (before.crops_png, before.paddle_logits)
    assert (after.unrounded_logits is None) == (target == "fp16")
    assert after.error > 0


def nudged_mean(model: onnx.ModelProto) -> None:
    """Subtract one level more."""
    tensor = normalisation(model, "Sub")
    change(tensor, numpy_helper.to_array(tensor) + 1)


def test_what_the_noise_of_int8_hides_shows_in_its_constants(
    proven: Callable[[str, bool], Path], tmp_path: Path
) -> None:
    broken = write_broken(proven("int8-cpu", True), nudged_mean, tmp_path / "broken.onnx")
    proof = prove_file(broken, AS_WRITTEN)
    assert proof.build.passed
    assert proof.constants is not None
    assert not proof.constants.passed
    with pytest.raises(VerificationError, match=r"its constants are not those of its conversion: .*; convert"):
        proof.require_passed()


def test_activations_cut_short_show_in_the_build(proven: Callable[[str, bool], Path], tmp_path: Path) -> None:
    broken = write_broken(proven("int8-tensorrt", True), cut_activations, tmp_path / "broken.onnx")
    proof = prove_file(broken, AS_WRITTEN)
    assert not proof.build.passed
    assert proof.constants is not None
    assert proof.constants.passed


@pytest.mark.parametrize("error", [3.0, 1e9, float("inf")])
def test_an_error_that_a_file_claims_allows_no_more_than_conversion_accepts(
    proven: Callable[[str, bool], Path], tmp_path: Path, error: float
) -> None:
    """Broken, and then given a reference that says so."""
    broken = write_broken(proven("int8-tensorrt", True), cut_activations, tmp_path / "broken.onnx")
    reference = ModelFile.open(broken).reference
    assert reference is not None
    carry(broken, dataclasses.replace(reference, error=error))
    proof = prove_file(broken, AS_WRITTEN)
    assert proof.build.limits.error_worst == 0.5
    assert not proof.build.passed


def test_what_no_proof_would_allow_is_not_converted(
    proven: Callable[[str, bool], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(proven("int8-cpu", True).read_bytes())
    monkeypatch.setattr("pptsn.convert.verify.carrying.INT8_ERROR", 1e-6)
    with pytest.raises(
        VerificationError, match=r"^m\.int8\.onnx: its normalised logit error reaches 0.*; keep more"
    ):
        carry_on(proven("fp32", True), path, name="m.int8.onnx")


@pytest.mark.parametrize("changes", [{"mean": (0.4, 0.5, 0.5)}, {"labels": ("green", "red", "blue", "left")}])
def test_a_spec_that_was_altered_fails(
    only: Callable[[str], Path], changes: dict[str, tuple[object, ...]]
) -> None:
    model = only("fp32")
    file = ModelFile.open(model, keep_content=True)
    spec = dataclasses.replace(file.spec, **changes)  # type: ignore[arg-type]
    model.write_bytes(sealed(file.content, spec, reference=file.reference))
    with pytest.raises(VerificationError, match="its spec is not the one that its reference was made for"):
        prove_file(model, AS_WRITTEN).require_passed()


@pytest.mark.parametrize("precision", ["fp32", "int8-cpu"])
def test_the_command_takes_the_file_alone(only: Callable[[str], Path], run, precision: str) -> None:  # type: ignore[no-untyped-def]
    model = only(precision)
    ending = run("verify", model, "--no-optimise")
    assert ending.code == 0, ending
    assert f"passed: {model}: 3 crops, normalised error " in ending.out
    assert "proven: the build, not the accuracy" in ending.out
    report = json.loads(model.with_name("m.verify.report.json").read_text())
    assert (report["passed"], report["proves"], report["rows"]) == (True, "the build, not the accuracy", 3)
    assert report["engine"]["backend"] == "onnxruntime"
    assert (report["constants"] is None) == (precision == "fp32")
    assert report["same_spec"] is True


def test_the_command_fails_after_figures_and_report(only: Callable[[str], Path], run) -> None:  # type: ignore[no-untyped-def]
    model = only("fp32")
    write_broken(model, BREAKINGS["deviation"], model)
    ending = run("verify", model)
    assert ending.code == 1
    assert f"FAILED: {model}: 3 crops" in ending.out
    assert "proven" not in ending.out
    assert ending.err.count("\n") == 1
    assert "against Paddle's logits, its normalised logit error reaches" in ending.err
    report = json.loads(model.with_name("m.verify.report.json").read_text())
    assert report["passed"] is False
    assert len(report["failures"]) == 1
    assert run("verify", model, "--tolerance", 100).code == 0  # the user's limit alone


def test_a_file_of_an_older_release_is_said_to_carry_nothing(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    model = write_residual_model(tmp_path / "m.onnx")
    ending = run("verify", model)
    assert ending.code == 2
    assert f"{model}: carries no reference to be proven by, as files of older releases or" in ending.err
    assert "; convert it again, or name --reference EXPORT" in ending.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (("--max-drop", 1), "needs to know the right answers"),
        (("--limit", 3), "--limit: does not go with one MODEL alone"),
        (("--clips", "c"), "nothing to compare it with"),
    ],
)
def test_what_takes_clips_does_not_go_with_it(only: Callable[[str], Path], run, options, cause: str) -> None:  # type: ignore[no-untyped-def]
    ending = run("verify", only("fp32"), *options)
    assert ending.code == 2
    assert cause in ending.err


def test_a_damaged_reference_is_damage_not_difference(only: Callable[[str], Path]) -> None:
    model = only("fp32")
    whole = model.read_bytes()
    start = whole.index(b"pptsn.reference")
    for position in range(start + 40, whole.index(b"pptsn.digest") - 40, 97):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        model.write_bytes(damaged)
        with pytest.raises(ModelError, match="is damaged: its content does not match the digest"):
            prove_file(model, AS_WRITTEN)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"crops_png": "AAAA"}, "the crops of its reference are none of 16 px"),
        ({"crops_png": "iVBORw0KGgo="}, "the crops of its reference are none of 16 px"),
        ({"crops_png": ""}, "the crops of its reference are none of 16 px"),
        ({"paddle_logits": "AAAA"}, "3 bytes, are none of 4 classes"),
        ({"paddle_logits": "no base64"}, "is no base64"),
        ({"paddle_logits": "A" * 22 + "=="}, "has 3 crops and logits for 1"),
    ],
)
def test_a_reference_that_makes_no_sense_is_named(
    only: Callable[[str], Path], changes: dict[str, str], cause: str
) -> None:
    model = only("fp32")
    reference = ModelFile.open(model).reference
    assert reference is not None
    carry(model, dataclasses.replace(reference, **changes))
    with pytest.raises(ModelError, match=rf"m\.onnx: .*({cause}).*; convert the model again"):
        prove_file(model, AS_WRITTEN)


def test_without_onnxruntime_the_constants_are_said_not_to_be_looked_at(
    only: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.convert.verify import proof

    def absent(*arguments: object, **options: object) -> None:
        raise MissingDependencyError("onnxruntime", "is not installed", "install it")

    model = only("int8-cpu")
    file = ModelFile.open(model)
    monkeypatch.setattr("pptsn.convert.verify.unrounded.OnnxRuntimeEngine", absent)
    # What runs the model here stands for a backend that needs no ONNX Runtime.
    with open_engine(model, device="cpu", optimise=False) as engine:
        found = proof.prove(engine, file, name=model)
    assert found.passed
    assert found.constants is None
    assert found.remarks == ("its constants were not looked at: onnxruntime is not installed",)


def noisy(count: int, size: int) -> StoredReference:
    """Return crops that no coding makes smaller, with logits that say nothing."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(count, 4)).astype(np.float32)
    return StoredReference(rng.integers(0, 256, (count, size, size, 3), np.uint8), logits, logits[::-1].copy())


@pytest.mark.parametrize(("size", "carried"), [(64, 3), (224, 1), (400, 0)])
def test_a_reference_keeps_to_400_kb_whatever_its_crops(tmp_path: Path, size: int, carried: int) -> None:
    from pptsn.convert.graph.deployment import compose_deployment
    from pptsn.convert.graph.files import write_model
    from tests.models import tiny_network

    spec = tiny_spec(crop_size=size, short_side=size)
    graph, spec = compose_deployment(tiny_network(size=size), spec, mirror=True)
    write_model(graph, spec, tmp_path / "m.onnx")
    before = (tmp_path / "m.onnx").stat().st_size
    with open_engine(tmp_path / "m.onnx", device="cpu") as engine:
        reference = telling_reference(engine, noisy(4, size))
    carry(tmp_path / "m.onnx", reference)
    assert (tmp_path / "m.onnx").stat().st_size - before <= MOST_BYTES + 100
    assert (0 if reference is None else len(reference.crops(spec, source="m"))) == carried


def test_crops_and_logits_come_back_as_they_were(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    stored = noisy(3, 32)
    with open_engine(model, device="cpu") as engine:
        carry(model, telling_reference(engine, stored))
    file = ModelFile.open(model)
    assert file.reference is not None
    crops = file.reference.crops(file.spec, source=model)
    logits = file.reference.paddle(file.spec, source=model)
    order = [int(np.flatnonzero((stored.crops == crop).all(axis=(1, 2, 3)))[0]) for crop in crops]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_array_equal(logits, ((stored.plain_logits + stored.mirrored_logits) / 2)[order])
    assert onnx.load(str(model)).metadata_props[1].key == "pptsn.reference"  # text, which every reader takes


def test_a_graph_without_rounding_keeps_its_weights_and_is_close_to_fp32(
    proven: Callable[[str, bool], Path],
) -> None:
    path = proven("int8-tensorrt", True)
    smooth = onnx.load_model_from_string(without_rounding(path.read_bytes()))
    onnx.checker.check_model(smooth, full_check=True)
    kinds = [node.op_type for node in smooth.graph.node]
    assert "QuantizeLinear" not in kinds
    assert kinds.count("DequantizeLinear") == 6  # of each convolution's weights
    file = ModelFile.open(path)
    assert file.reference is not None
    crops = file.reference.crops(file.spec, source=path)
    errors = normalised_errors(
        unrounded.unrounded_logits(file, crops), file.reference.paddle(file.spec, source=path)
    )
    assert errors.max() < 0.5 * file.reference.error
