from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pptsn.runtime import model
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.model.manifest import (
    Manifest,
    check_fits,
    check_onnx_file,
    manifest_path,
    manifest_schema,
    read_manifest,
    read_plan,
)
from pptsn.runtime.model.proven import GpuKind, PlanProof
from pptsn.runtime.model.reference import Reference
from tests.models import tiny_spec


def make_manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "spec": tiny_spec(mirror=True, precision="fp16", labels=("röd", "groß", "blue", "left")),
        "plan_sha256": "a" * 64,
        "onnx_sha256": "b" * 64,
        "onnx_name": "m.fp16.onnx",
        "builder": "tensorrt",
        "builder_version": "10.3.0",
        "machine": "aarch64",
        "cuda_version": "12.6",
        "gpu_name": "Orin",
        "compute_capabilities": ("8.7",),
        "precision": "fp16",
        "profile": (1, 50, 125),
    }
    return Manifest(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan (of a few bytes) with its manifest."""
    path = tmp_path / "m.engine"
    path.write_bytes(bytes(range(256)))
    make_manifest(plan_sha256=sha256_of(path)).write(path)
    return path


def fits(manifest: Manifest, version: str = "10.3.0", capability: str | None = "8.7") -> None:
    check_fits(manifest, plan="m.engine", builder_version=version, compute_capability=capability)


def test_it_comes_back_as_it_was_written(plan: Path) -> None:
    manifest = read_manifest(plan)
    assert manifest == make_manifest(plan_sha256=sha256_of(plan))
    read_plan(plan, manifest)


def test_reference_and_proofs_come_back_as_they_were_written(plan: Path) -> None:
    spec = tiny_spec(mirror=True, precision="int8")
    crops = drawn_crops(2, spec.crop_size)
    reference = Reference.of(crops, np.arange(8, dtype=np.float32).reshape(2, 4), spec)
    reference = reference.with_own(error=0.1, unrounded=np.ones((2, 4), np.float32))
    proofs = (proof_on(gpu_kind()), proof_on(gpu_kind(compute_capability="11.0")))
    written = make_manifest(plan_sha256=sha256_of(plan), spec=spec, reference=reference, proofs=proofs)
    written.write(plan)
    manifest = read_manifest(plan)
    assert manifest == written
    assert manifest.reference is not None
    assert np.array_equal(manifest.reference.crops(spec, source=plan), crops)
    jsonschema.validate(json.loads(manifest_path(plan).read_text()), manifest_schema())


def gpu_kind(**changes: str) -> GpuKind:
    values = {"gpu_name": "Orin", "compute_capability": "8.7", "library_version": "10.3", "driver_version": "12.6"}
    return GpuKind(**(values | changes))


def proof_on(device: GpuKind, error: float = 0.001) -> PlanProof:
    return PlanProof(device=device, crops=3, error=error, limit=0.02)


def test_a_proof_holds_for_one_kind_of_device_whatever_its_driver() -> None:
    manifest = make_manifest(proofs=(proof_on(gpu_kind()),))
    assert manifest.proven_on(gpu_kind())
    assert manifest.proven_on(gpu_kind(driver_version="13.0"))
    for name in ("gpu_name", "compute_capability", "library_version"):
        assert not manifest.proven_on(gpu_kind(**{name: "another"}))


def test_a_later_proof_takes_the_place_of_an_earlier_one() -> None:
    other = proof_on(gpu_kind(gpu_name="Thor"))
    manifest = make_manifest(proofs=(proof_on(gpu_kind()), other))
    again = proof_on(gpu_kind(driver_version="13.0"), error=0.002)
    assert manifest.with_proof(again.device, again).proofs == (other, again)
    assert manifest.with_proof(gpu_kind(), None).proofs == (other,)


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("proofs", 3, "proofs is 3, expected a list"),
        ("proofs", [3], "proof: is no JSON object|is damaged: is no JSON object"),
        ("proofs", [{"device": {}}], "lacks"),
        ("reference", {"format_version": 9}, "its reference has format version 9"),
        ("reference", "text", "its reference is no JSON object"),
    ],
)
def test_what_no_release_wrote_is_named(plan: Path, name: str, value: object, cause: str) -> None:
    values = json.loads(manifest_path(plan).read_text()) | {name: value}
    del values["manifest_digest"]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    manifest_path(plan).write_text(json.dumps(values | {"manifest_digest": digest}))
    with pytest.raises(ModelError, match=rf"m\.engine\.json: .*({cause})"):
        read_manifest(plan)


# As its `convert engine` wrote it, with fewer labels: the spec in it names no architecture.
FIRST_RELEASES = """{
 "spec": {
  "depth": 18,
  "labels": ["r\u00f6d", "blue"],
  "weights_digest": "ed73a151e1854f1eddca2a80269eb1858f9eb505bfab0808a1a4a5fc25163594",
  "short_side": 64,
  "crop_size": 56,
  "mirror": true,
  "resize_rule": "fixed_ratio",
  "mean": [0.485, 0.456, 0.406],
  "std": [0.229, 0.224, 0.225],
  "num_seg": 3,
  "precision": "fp16",
  "format_version": 1
 },
 "plan_sha256": "1be287e36ffc587a72fe98c01c7010b86ba40c58f8a63f176bdcf95f77ce2033",
 "onnx_sha256": "b85a4bc61362225528775bfdff67cc71aafa4336e2f3a98060784e4c7919ffce",
 "onnx_name": "model.fp16.onnx",
 "builder": "tensorrt-rtx",
 "builder_version": "1.7.1.116",
 "machine": "x86_64",
 "cuda_version": null,
 "gpu_name": null,
 "compute_capabilities": ["8.0", "8.6", "8.9", "12.0"],
 "precision": "fp16",
 "profile": [1, 3, 3],
 "workspace_mb": null,
 "optimization_level": null,
 "hardware_compatible": true,
 "version_compatible": false,
 "calibration_digest": null,
 "format_version": 1,
 "manifest_digest": "e0dd62cff296f9017933b67145aa07a86d36d5921ef8f19aa41d136439bf3116"
}"""


def test_a_manifest_of_the_first_release_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    manifest_path(path).write_text(FIRST_RELEASES, encoding="utf-8")
    manifest = read_manifest(path)
    assert manifest.spec.architecture == "pptsn-resnet_vd"
    assert manifest.spec.labels == ("röd", "blue")
    assert manifest.profile == (1, 3, 3)
    assert (manifest.reference, manifest.proofs) == (None, ())
    assert manifest.rebuild_command("m.engine").endswith("--builder tensorrt-rtx --batch 1,3,3")


def test_it_lies_beside_the_plan() -> None:
    assert manifest_path("output/m.int8.engine") == Path("output/m.int8.engine.json")


def test_every_flipped_bit_of_the_plan_is_found(plan: Path) -> None:
    manifest, whole = read_manifest(plan), plan.read_bytes()
    for position in range(0, len(whole), 16):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        plan.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"m\.engine: is damaged .*pptsn convert engine"):
            read_plan(plan, manifest)


def test_a_truncated_and_a_missing_plan_are_found(plan: Path) -> None:
    manifest = read_manifest(plan)
    plan.write_bytes(plan.read_bytes()[:-1])
    with pytest.raises(ModelError, match="is damaged"):
        read_plan(plan, manifest)
    plan.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        read_plan(plan, manifest)


def test_an_onnx_file_that_has_changed_is_found_and_a_missing_one_is_fine(tmp_path: Path) -> None:
    plan, onnx = tmp_path / "m.engine", tmp_path / "m.onnx"
    manifest = make_manifest(onnx_name="m.onnx", onnx_sha256=hashlib.sha256(b"one").hexdigest())
    check_onnx_file(plan, manifest)
    onnx.write_bytes(b"one")
    check_onnx_file(plan, manifest)
    onnx.write_bytes(b"two")
    with pytest.raises(ModelError) as error:
        check_onnx_file(plan, manifest)
    assert str(error.value).startswith(f"{plan}: does not fit {onnx}, which has changed since: its SHA-256 is ")
    assert manifest.rebuild_command(plan) in str(error.value)
    onnx.unlink()
    onnx.mkdir()
    check_onnx_file(plan, manifest)


def test_an_onnx_file_of_another_folder_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("models", "plans"):
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "m.onnx").write_bytes(b"two")
    manifest = make_manifest(onnx_name="../models/m.onnx")
    for folder, plan in ((tmp_path, "plans/m.engine"), (tmp_path / "plans", "m.engine"), (Path("/"), None)):
        monkeypatch.chdir(folder)
        plan = plan or str(tmp_path / "plans" / "m.engine")
        with pytest.raises(ModelError, match="does not fit"):
            check_onnx_file(plan, manifest)
        assert Path(shlex.split(manifest.rebuild_command(plan))[3]).read_bytes() == b"two"


def test_the_schema_is_the_one_of_the_types() -> None:
    written = json.loads((Path(model.__file__).parent / "manifest.schema.json").read_text())
    remedy = "run: python -m pptsn.runtime.model.manifest > runtime/model/manifest.schema.json"
    assert json.loads(json.dumps(manifest_schema())) == written, remedy


def test_what_is_written_follows_the_schema_and_no_other(plan: Path) -> None:
    schema = manifest_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads(manifest_path(plan).read_text())
    jsonschema.validate(written, schema)
    spec = written["spec"]
    for wrong in (
        {**written, "extra": 1},
        {**written, "builder": "openvino"},
        {**written, "spec": {**spec, "std": [0.5, 0.0, 0.5]}},
        {**written, "spec": {**spec, "architecture": "x3d"}},
        {**written, "spec": {name: spec[name] for name in spec if name != "labels"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_every_altered_field_is_found(plan: Path) -> None:
    written = json.loads(manifest_path(plan).read_text())
    for name, value in written.items():
        other = {**written, name: [value] if name != "format_version" else value + 1}
        manifest_path(plan).write_text(json.dumps(other))
        with pytest.raises(ModelError, match=r"was altered|has format version 3"):
            read_manifest(plan)


def test_a_field_that_is_added_or_removed_is_found(plan: Path) -> None:
    written = json.loads(manifest_path(plan).read_text())
    for values in (written | {"extra": 1}, {k: v for k, v in written.items() if k != "profile"}):
        manifest_path(plan).write_text(json.dumps(values))
        with pytest.raises(ModelError, match="was altered"):
            read_manifest(plan)


def test_a_manifest_that_is_no_manifest_is_named(plan: Path) -> None:
    for text in ("", "{", "[]", "[" * 100_000, "\udcff"):
        manifest_path(plan).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ModelError, match=r"m\.engine\.json: is damaged"):
            read_manifest(plan)


def test_a_missing_manifest_says_what_to_do(plan: Path) -> None:
    manifest_path(plan).unlink()
    with pytest.raises(ModelError, match=r"m\.engine: its manifest .*pptsn convert engine MODEL\.onnx -o "):
        read_manifest(plan)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("plan_sha256", "x" * 64),
        ("builder", "openvino"),
        ("builder", "tensorrt\n"),
        ("cuda_version", 12),
        ("profile", (1, 2)),
        ("profile", (1, True, 2)),
        ("plan_sha256", "A" * 64),
        ("builder_version", "newest"),
        ("compute_capabilities", ()),
        ("precision", "fp8"),
        ("profile", (1, 60, 50)),
        ("profile", (0, 1, 1)),
        ("hardware_compatible", "yes"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"manifest: {field} is "):
        make_manifest(**{field: value})


def test_another_version_is_refused_with_both_and_the_command() -> None:
    with pytest.raises(ModelError) as error:
        fits(make_manifest(), version="10.13.3")
    assert "built by tensorrt 10.3.0, this machine has 10.13.3" in str(error.value)
    assert "pptsn convert engine m.fp16.onnx -o m.engine --builder tensorrt --batch 1,50,125" in str(error.value)


def test_another_gpu_is_refused_with_both_and_the_command() -> None:
    with pytest.raises(ModelError, match=r"compute capability 8\.7, this GPU has 8\.6; rebuild .* convert engine"):
        fits(make_manifest(), capability="8.6")


def test_another_architecture_and_another_builder_are_refused() -> None:
    manifest = make_manifest()
    rest = {"plan": "m.engine", "builder_version": "10.3.0", "compute_capability": "8.7"}
    check_fits(manifest, machine="aarch64", builder="tensorrt", **rest)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="was built on aarch64, this machine is x86_64"):
        check_fits(manifest, machine="x86_64", **rest)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="built by tensorrt, not for tensorrt-rtx"):
        check_fits(manifest, builder="tensorrt-rtx", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("built", "running", "good"),
    [
        ("10.3.0", "10.3.0", True),
        ("10.3.0", "10.13.0", True),  # as numbers: 13 is more than 3
        ("10.13.0", "10.3.0", False),  # never an older one
        ("10.3.0", "11.4.1", True),
        ("11.0.0", "10.16.0", False),
        ("11.0.0", "12.0.0", False),
    ],
)
def test_version_compatible_plans_run_with_later_versions(built: str, running: str, good: bool) -> None:
    manifest = make_manifest(builder_version=built, version_compatible=True)
    assert manifest.runs_with(running) is good
    assert dataclasses.replace(manifest, version_compatible=False).runs_with(running) is (built == running)


def test_plans_of_rtx_run_with_their_own_version_alone() -> None:
    manifest = make_manifest(builder="tensorrt-rtx", builder_version="1.7.1.116", version_compatible=True)
    assert manifest.runs_with("1.7.1.116")
    assert not manifest.runs_with("1.7.2.1")


@pytest.mark.parametrize(
    ("builder", "listed", "capability", "good"),
    [
        ("tensorrt", ("8.6",), "8.9", True),
        ("tensorrt", ("8.6",), "12.0", True),
        ("tensorrt", ("8.6",), "8.0", True),
        ("tensorrt", ("8.6",), "7.5", False),
        ("tensorrt-rtx", ("8.0", "8.6", "8.9", "12.0"), "8.6", True),
        ("tensorrt-rtx", ("8.0", "8.6", "8.9", "12.0"), "12.1", True),
        ("tensorrt-rtx", ("8.0", "8.6", "8.9", "12.0"), "9.0", False),
        ("tensorrt-rtx", ("8.0", "8.6", "8.9", "12.0"), "8.7", False),
    ],
)
def test_hardware_compatible_plans_run_on_other_gpus(
    builder: str, listed: tuple[str, ...], capability: str, good: bool
) -> None:
    manifest = make_manifest(builder=builder, compute_capabilities=listed, hardware_compatible=True)
    assert manifest.runs_on(capability) is good
    assert dataclasses.replace(manifest, hardware_compatible=False).runs_on(capability) is (capability in listed)


def test_an_unknown_gpu_is_not_judged() -> None:
    fits(make_manifest(), capability=None)


def test_the_rebuild_command_repeats_every_option() -> None:
    manifest = make_manifest(
        onnx_name="a model.onnx",
        workspace_mb=64,
        optimization_level=5,
        hardware_compatible=True,
        version_compatible=True,
    )
    assert manifest.rebuild_command("out dir/m.engine") == (
        "pptsn convert engine 'out dir/a model.onnx' -o 'out dir/m.engine' --builder tensorrt --batch 1,50,125 "
        "--workspace-mb 64 --optimization-level 5 --hardware-compatible --version-compatible"
    )
    rtx = make_manifest(builder="tensorrt-rtx", compute_capabilities=("8.6", "8.9"))
    assert rtx.rebuild_command("m.engine").endswith("--batch 1,50,125 --compute-capability 8.6,8.9")
    portable = dataclasses.replace(rtx, hardware_compatible=True)
    assert portable.rebuild_command("m.engine").endswith("--batch 1,50,125")
