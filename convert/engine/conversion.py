"""From a deployment graph to a plan with its manifest."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from pptsn.convert.checks import require_buildable
from pptsn.convert.engine.build import build_plan, convolution_precisions
from pptsn.convert.engine.options import BuildOptions
from pptsn.convert.engine.proof import prove_plan
from pptsn.convert.engine.target import Target, find_target
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.base.files import atomic_file, refuse_overwriting, require_writable
from pptsn.runtime.engines.tensorrt.api import TensorRT, import_tensorrt
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.kinds import MODEL, refuse_others
from pptsn.runtime.model.manifest import (
    PLAN_SUFFIX,
    Manifest,
    check_fits,
    check_onnx_file,
    manifest_path,
    read_manifest,
    read_plan,
)
from pptsn.runtime.model.spec import PRECISIONS


@dataclass(frozen=True)
class EngineReport:
    """What `convert_to_engine` did.

    manifest: of the plan that now lies there.
    built: False where an existing plan was kept.
    reason: with `rebuild_if_needed`, why an existing plan was not kept; else empty.
    convolutions: of the model.  precisions: of those that the build's log tells of, node -> precision.
    warnings: of the builder, each once.
    notes: what went wrong beside the plan.
    unproven: why the plan was not compared with Paddle's logits here; "" where it was.
    """

    manifest: Manifest
    built: bool
    reason: str = ""
    convolutions: int = 0
    precisions: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unproven: str = ""


def convert_to_engine(
    model: str | Path,
    output: str | Path,
    options: BuildOptions,
    *,
    precision: str | None = None,
    rebuild_if_needed: bool = False,
) -> EngineReport:
    """Build a plan from the deployment graph `model` into `output`, with its manifest beside it.

    precision: None takes the file's; any other than the file's is refused, since a plan computes in the types
        that the file has.
    rebuild_if_needed: keep an existing plan that was built from this file with these options for this machine.

    The plan is compared with the reference that `model` carries, where a GPU of its kind is at hand.

    A build that fails or gives wrong answers leaves the plan and manifest that were there.  Raises ModelError for
    a model that TensorRT refuses, VerificationError for wrong answers, UsageError, MissingDependencyError where
    the builder or its GPU is missing.
    """
    model, output = Path(model), Path(output)
    _check_paths(model, output, options)
    refuse_others(model, MODEL)
    source = ModelFile.open(model, keep_content=True)  # so that what is hashed is what is built
    _check_precision(source, precision)
    graph = onnx.load_model_from_string(source.content)
    require_buildable(graph, model)
    library = import_tensorrt(options.builder)
    target = find_target(options)
    facts = _facts(source, output, library, options, target)
    reason = _reason_to_build(output, source, facts, library, target) if rebuild_if_needed else ""
    if rebuild_if_needed and not reason:
        return EngineReport(read_manifest(output), built=False)
    for path in (output, manifest_path(output)):
        require_writable(path)
    plan = build_plan(library, source.content, options, source=model)
    manifest = Manifest(plan_sha256=hashlib.sha256(plan.content).hexdigest(), **facts)
    warnings = tuple(dict.fromkeys(library.logger().warnings()))
    manifest, unproven = prove_plan(plan.content, manifest, path=output)
    _write_pair(output, plan.content, manifest)
    convolutions = [node.name for node in graph.graph.node if node.op_type == "Conv"]
    return EngineReport(
        manifest,
        built=True,
        reason=reason,
        convolutions=len(convolutions),
        precisions=convolution_precisions(plan.log, convolutions),
        warnings=warnings,
        notes=plan.notes,
        unproven=unproven,
    )


def _check_paths(model: Path, output: Path, options: BuildOptions) -> None:
    """Refuse an output that is no .engine file, or that is another of the files in play."""
    if output.suffix != PLAN_SUFFIX:
        name = output.with_suffix(PLAN_SUFFIX) if output.name.strip(".") else "as in output/model.engine"
        raise UsageError("-o", f"{output} does not end in {PLAN_SUFFIX}", f"name it {name}")
    cache = options.timing_cache
    for written in (output, manifest_path(output), *([cache] if cache else [])):
        refuse_overwriting(written, [model])
    if cache is not None and cache.resolve() in (output.resolve(), manifest_path(output).resolve()):
        raise UsageError("--timing-cache", f"{cache} is the output as well", "name another file")


def _check_precision(source: ModelFile, wanted: str | None) -> None:
    """Refuse a weakly typed request: to compute an FP32 file in FP16, say."""
    if wanted is None or wanted == source.spec.precision:
        return
    if wanted not in PRECISIONS:
        raise UsageError("--precision", f"unknown precision {wanted!r}", f"choose one of {', '.join(PRECISIONS)}")
    command = {"fp16": "convert fp16", "int8": "convert int8 --target tensorrt", "fp32": "convert onnx"}[wanted]
    raise UsageError(
        "--precision",
        f"{source.path} is {source.spec.precision} and a plan computes in the types of its file: "
        "precision belongs in the ONNX file",
        f"make one by: pptsn {command}",
    )


def _facts(
    source: ModelFile, output: Path, library: TensorRT, options: BuildOptions, target: Target
) -> dict[str, Any]:
    """Return the manifest's fields that are known before the build."""
    return {
        "spec": source.spec,
        "onnx_sha256": source.sha256,
        "onnx_name": _path_from(output.parent, source.path),
        "builder": library.name,
        "builder_version": library.version_text,
        "machine": platform.machine(),
        "cuda_version": target.cuda_version,
        "gpu_name": target.gpu_name,
        "compute_capabilities": target.compute_capabilities,
        "precision": source.spec.precision,
        "profile": options.batch,
        "workspace_mb": options.workspace_mb,
        "optimization_level": options.optimization_level,
        "hardware_compatible": target.hardware_compatible,
        "version_compatible": options.version_compatible,
        "calibration_digest": (source.quantization or {}).get("calibration_digest"),
        "reference": source.reference,
    }


def _path_from(folder: Path, path: Path) -> str:
    """Return `path` as seen from `folder`: the two may move together, and commands may run anywhere."""
    # Links are resolved in the folders, behind which `..` would lead elsewhere; a linked file keeps its name.
    return os.path.relpath(path.parent.resolve() / path.name, folder.resolve())


# Facts that may differ without a new plan being needed: the file's path, and what `check_fits` judges.
_TOLERATED = {"onnx_name", "builder_version", "cuda_version", "compute_capabilities"}


def _reason_to_build(
    output: Path, source: ModelFile, facts: dict[str, Any], library: TensorRT, target: Target
) -> str:
    """Return why the plan at `output` has to be built (again), or "" where it does as it is."""
    if not output.exists():
        return "there is none yet"
    try:
        manifest = read_manifest(output)
        read_plan(output, manifest)
        for capability in target.compute_capabilities:
            check_fits(
                manifest,
                plan=output,
                builder_version=library.version_text,
                compute_capability=capability,
                builder=library.name,
                machine=facts["machine"],
            )
    except ModelError as error:
        return error.cause
    measured_here = library.name == "tensorrt" and not target.hardware_compatible
    tolerated = _TOLERATED if measured_here else _TOLERATED | {"gpu_name"}
    differing = [name for name in facts.keys() - tolerated if getattr(manifest, name) != facts[name]]
    if differing:
        return f"{', '.join(sorted(differing))} changed"
    try:
        if manifest.onnx_path(output).resolve() != source.path.resolve():
            check_onnx_file(output, manifest)  # another file may have taken the place of the one that was renamed
    except ModelError as error:
        return error.cause
    return ""


def _write_pair(output: Path, plan: bytes, manifest: Manifest) -> None:
    """Write the plan and its manifest, so that no failure leaves half of a new pair in place of an old one.

    Both are whole under temporary names before either is renamed.  Two renames are not one, though: where the
    machine stops between them, the new plan lies beside the old manifest, whose digest then refuses it.
    """
    with atomic_file(manifest_path(output)) as manifest_file:
        manifest_file.write_text(manifest.to_json(), encoding="utf-8")
        with atomic_file(output) as plan_file:
            plan_file.write_bytes(plan)
