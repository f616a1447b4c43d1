"""The manifest beside a TensorRT plan: what the plan is, where it runs, and whether it arrived whole.

A plan is opaque and runs only where its builder's version and GPU fit; the library says so late and badly.  The
manifest, NAME.engine.json beside NAME.engine, says it before the plan is read.  `manifest.schema.json` is its JSON
Schema, made from the types by

    python -m pptsn.runtime.model.manifest > runtime/model/manifest.schema.json
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.fields import (
    SWITCH,
    as_fields,
    exactly,
    json_schema,
    one_of,
    shortened,
    wrong_field,
    wrong_names,
)
from pptsn.runtime.base.files import read_small, sha256_of, write_text
from pptsn.runtime.model.proven import GpuKind, PlanProof
from pptsn.runtime.model.reference import Reference
from pptsn.runtime.model.spec import PRECISIONS, ModelSpec

FORMAT_VERSION = 2
_READABLE_VERSIONS = (1, FORMAT_VERSION)
# The libraries that build plans, each under the name of its backend.
BUILDERS = ("tensorrt", "tensorrt-rtx")
PLAN_SUFFIX = ".engine"
_SHA256 = Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", description="64 hexadecimal digits")
_VERSION = "^[0-9]"
_PROFILE = "three numbers of crops, ascending"
_MOST_BYTES = 20_000_000
_DIGEST_FIELD = "manifest_digest"
_REBUILD = "rebuild it by: pptsn convert engine MODEL.onnx -o"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of one plan.

    spec: of the model that it runs.
    plan_sha256, onnx_sha256: of the plan's bytes, and of the file that it was built from.
    onnx_name: that file's path from the plan's folder: its mere name where the two lie side by side.
    builder, builder_version: one of BUILDERS, and its version as the package says it.
    machine: the processor's architecture, as `platform.machine()` says it; plans do not travel between two.
    cuda_version, gpu_name: where it was built; None where there was no GPU, or nothing could tell.
    compute_capabilities: what it was built for, such as ("8.7",).
    precision: of the spec, one of pptsn.runtime.model.spec.PRECISIONS.
    profile: the smallest, best and largest number of crops a call.
    workspace_mb, optimization_level: as asked for; None left it to the builder.
    hardware_compatible: also runs on GPUs that `compute_capabilities` does not list: see `runs_on`.
    version_compatible: also runs on later versions of the library: see `runs_with`.
    calibration_digest: of an INT8 model's calibration; None for other models.
    reference: what the plan can be proven by; None where its ONNX file carries nothing.
    proofs: where it was proven, one for each kind of device.
    """

    spec: ModelSpec
    plan_sha256: Annotated[str, _SHA256]
    onnx_sha256: Annotated[str, _SHA256]
    onnx_name: Annotated[str, Meta(description="a path")]
    builder: Annotated[str, one_of(BUILDERS)]
    builder_version: Annotated[str, Meta(pattern=_VERSION, description="a version")]
    machine: Annotated[str, Meta(description="an architecture")]
    cuda_version: str | None
    gpu_name: str | None
    compute_capabilities: Annotated[
        tuple[Annotated[str, Meta(pattern=_VERSION)], ...],
        Meta(min_length=1, description="a list of compute capabilities"),
    ]
    precision: Annotated[str, one_of(PRECISIONS)]
    profile: Annotated[tuple[int, int, int], Meta(description=_PROFILE)]
    workspace_mb: int | None = None
    optimization_level: int | None = None
    hardware_compatible: Annotated[bool, SWITCH] = False
    version_compatible: Annotated[bool, SWITCH] = False
    calibration_digest: str | None = None
    reference: Reference | None = None
    proofs: tuple[PlanProof, ...] = ()
    format_version: Annotated[int, exactly(FORMAT_VERSION)] = FORMAT_VERSION

    def __post_init__(self) -> None:
        if wrong := wrong_field(self):
            raise ModelError("manifest", wrong)
        if not 1 <= self.profile[0] <= self.profile[1] <= self.profile[2]:
            raise ModelError("manifest", f"profile is {self.profile}, expected {_PROFILE}")

    def runs_with(self, version: str) -> bool:
        """Whether the plan runs with `version` of its builder's library.

        A plan runs with the version that built it.  A version-compatible one of TensorRT runs with later versions
        of the same major number too, and one of TensorRT 10 with TensorRT 11 (docs.nvidia.com, TensorRT 11.4.1,
        support matrix, engine portability).  TensorRT-RTX offers no such thing.
        """
        built, running = parse_version(self.builder_version), parse_version(version)
        if built == running:
            return True
        if not self.version_compatible or self.builder != "tensorrt":
            return False
        return running > built and (running[0] == built[0] or (built[0], running[0]) == (10, 11))

    def runs_on(self, compute_capability: str) -> bool:
        """Whether the plan runs on a GPU of `compute_capability`, such as "8.7".

        A hardware-compatible plan of TensorRT runs on Ampere (8.0) and later.  One of TensorRT-RTX runs on what it
        lists and on GPUs later than all of that (docs.nvidia.com, TensorRT-RTX, CPU-only AOT engines).
        """
        if compute_capability in self.compute_capabilities:
            return True
        if not self.hardware_compatible:
            return False
        found = parse_version(compute_capability)
        if self.builder == "tensorrt":
            return found >= (8, 0)
        return found > max(parse_version(listed) for listed in self.compute_capabilities)

    def proven_on(self, device: GpuKind) -> bool:
        """Whether the plan was proven on this kind of device."""
        return any(proof.device.same_as(device) for proof in self.proofs)

    def with_proof(self, device: GpuKind, proof: PlanProof | None) -> Manifest:
        """Return the manifest with what was found on `device` in the place of what was found on its like before.

        proof: None where the plan failed there.
        """
        others = tuple(each for each in self.proofs if not each.device.same_as(device))
        return dataclasses.replace(self, proofs=others + ((proof,) if proof else ()))

    def onnx_path(self, plan: str | Path) -> Path:
        """Return where the file that `plan` was built from lies, or lay."""
        return Path(plan).parent / self.onnx_name

    def rebuild_command(self, plan: str | Path) -> str:
        """Return the command that builds the plan again, with the options it was built with.

        It works in the folder from which the path `plan` leads to the plan.
        """
        rtx = self.builder == "tensorrt-rtx"
        options = {
            "--builder": self.builder,
            "--batch": ",".join(map(str, self.profile)),
            "--workspace-mb": self.workspace_mb,
            "--optimization-level": self.optimization_level,
            "--compute-capability": ",".join(self.compute_capabilities) if rtx else None,
        }
        flags = {
            "--hardware-compatible": self.hardware_compatible,
            "--version-compatible": self.version_compatible,
        }
        if rtx and self.hardware_compatible:  # its default, spelt by leaving both out
            del options["--compute-capability"], flags["--hardware-compatible"]
        words = ["pptsn", "convert", "engine", str(self.onnx_path(plan)), "-o", str(plan)]
        words += [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return shlex.join(words + [name for name, on in flags.items() if on])

    def to_json(self) -> str:
        """Return the manifest as JSON text, with a digest over its own fields."""
        values = dataclasses.asdict(self)
        return json.dumps(values | {_DIGEST_FIELD: _digest(values)}, ensure_ascii=False, indent=1)

    def write(self, plan: str | Path) -> None:
        """Write the manifest beside `plan`, atomically."""
        write_text(manifest_path(plan), self.to_json())


def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version: (10, 3, 0) for "10.3.0", so that 10.13 is newer than 10.3.

    Raises ValueError where `text` does not begin with one.
    """
    match = re.match(r"\d+(?:\.\d+)*", text)
    if match is None:
        raise ValueError(f"{text!r} is no version")
    return tuple(int(part) for part in match[0].split("."))


def manifest_path(plan: str | Path) -> Path:
    """Return where the manifest of `plan` lies: NAME.engine.json for NAME.engine."""
    plan = Path(plan)
    return plan.with_name(f"{plan.name}.json")


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest, and of the spec in it: `manifest.schema.json` beside this module."""
    schema = json_schema(Manifest)
    manifest = schema["$defs"][Manifest.__name__]
    manifest["properties"][_DIGEST_FIELD] = {"type": "string", "description": "SHA-256 of the other fields"}
    manifest["required"].append(_DIGEST_FIELD)
    return schema


def read_manifest(plan: str | Path) -> Manifest:
    """Return the manifest of `plan`.

    Raises ModelError where it is missing, damaged, altered by hand or of another format version.
    """
    path = manifest_path(plan)
    remedy = f"{_REBUILD} {shlex.quote(str(plan))}"
    try:
        values = json.loads(read_small(path, _MOST_BYTES))
    except OSError as error:
        cause = f"its manifest {path.name} cannot be read ({error.strerror}), so nothing tells where it runs"
        raise ModelError(plan, cause, f"copy both files, or {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(path, f"is damaged: no JSON ({error})", remedy) from error
    if not isinstance(values, dict):
        raise ModelError(path, "is damaged: no JSON object", remedy)
    version = values.get("format_version")
    if version not in _READABLE_VERSIONS:
        readable = " and ".join(map(str, _READABLE_VERSIONS))
        cause = f"has format version {version!r}, this program reads versions {readable}"
        raise ModelError(path, cause, f"install the pptsn release that wrote it, or {remedy}")
    if values.pop(_DIGEST_FIELD, None) != _digest(values):
        raise ModelError(path, "was altered: its fields do not match the digest it carries", remedy)
    return _from_values(values, path, remedy)


def read_plan(plan: str | Path, manifest: Manifest) -> bytes:
    """Return the bytes of `plan`; raises ModelError where they are not those that the manifest was written for."""
    try:
        content = Path(plan).read_bytes()
    except OSError as error:
        raise ModelError(plan, f"cannot be read ({error.strerror})", "name an .engine file") from error
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.plan_sha256:
        expected = f"its SHA-256 is {found[:12]}..., its manifest expects {manifest.plan_sha256[:12]}..."
        remedy = f"copy both files again, or run: {manifest.rebuild_command(plan)}"
        raise ModelError(plan, f"is damaged or belongs to another manifest: {expected}", remedy)
    return content


def check_onnx_file(plan: str | Path, manifest: Manifest) -> None:
    """Raise ModelError where the ONNX file of `plan` was changed since the plan was built from it.

    A file that is not there, or cannot be read, is no fault: a device needs the plan alone.
    """
    path = manifest.onnx_path(plan)
    try:
        if not path.is_file():
            return
        found = sha256_of(path)
    except OSError:
        return
    if found != manifest.onnx_sha256:
        built_from = f"its SHA-256 is {found[:12]}..., the plan was built from {manifest.onnx_sha256[:12]}..."
        remedy = f"rebuild it by: {manifest.rebuild_command(plan)}"
        raise ModelError(plan, f"does not fit {path}, which has changed since: {built_from}", remedy)


def check_fits(
    manifest: Manifest,
    *,
    plan: str | Path,
    builder_version: str,
    compute_capability: str | None,
    builder: str | None = None,
    machine: str | None = None,
) -> None:
    """Raise ModelError where the plan does not run here, naming both sides and the command that rebuilds it.

    builder_version, builder: of the library that is about to read the plan.  compute_capability: of the GPU, such
    as "8.7".  machine: `platform.machine()`.  None skips a check.
    """
    cause = None
    if builder is not None and builder != manifest.builder:
        cause = f"was built by {manifest.builder}, not for {builder}"
    elif machine is not None and machine != manifest.machine:
        cause = f"was built on {manifest.machine}, this machine is {machine}"
    elif not manifest.runs_with(builder_version):
        cause = f"was built by {manifest.builder} {manifest.builder_version}, this machine has {builder_version}"
    elif compute_capability is not None and not manifest.runs_on(compute_capability):
        built_for = ", ".join(manifest.compute_capabilities)
        later = " and later" if manifest.hardware_compatible else ""
        cause = f"was built for compute capability {built_for}{later}, this GPU has {compute_capability}"
    if cause:
        raise ModelError(plan, cause, f"rebuild it here by: {manifest.rebuild_command(plan)}")


def _digest(values: dict[str, Any]) -> str:
    """Return the SHA-256 of the fields as JSON in one fixed spelling."""
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _from_values(values: dict[str, Any], path: Path, remedy: str) -> Manifest:
    if values["format_version"] == 1:  # before there were references
        values = values | {"reference": None, "proofs": [], "format_version": FORMAT_VERSION}
    if wrong := wrong_names(Manifest, values):
        raise ModelError(path, wrong, remedy)
    spec = ModelSpec.from_json(json.dumps(values["spec"]), source=path)
    reference = values["reference"]
    if reference is not None:
        reference = Reference.from_values(reference, source=path)
    try:
        proofs = [PlanProof.from_values(each) for each in _listed(values["proofs"])]
        return Manifest(**as_fields(values | {"spec": spec, "reference": reference, "proofs": proofs}))
    except ModelError as error:
        raise ModelError(path, f"is damaged: {error.cause}", remedy) from error


def _listed(proofs: Any) -> list[Any]:
    if not isinstance(proofs, list):
        raise ModelError("manifest", f"proofs is {shortened(proofs)}, expected a list")
    return proofs


if __name__ == "__main__":
    print(json.dumps(manifest_schema(), indent=1))  # noqa: T201
