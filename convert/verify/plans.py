"""What is found of a plan on a device, and kept in its manifest."""

from __future__ import annotations

from pathlib import Path

from pptsn.convert.verify.proof import Proof
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.manifest import Manifest
from pptsn.runtime.model.proven import PlanProof


def proven(manifest: Manifest, engine: TensorRtEngine, proof: Proof) -> Manifest:
    """Return the manifest with what `proof` found of its plan on the device of `engine`: of a failure, nothing."""
    found = None
    limit = proof.build.limits.error_worst
    if proof.passed and limit is not None:
        figures = proof.build.figures
        found = PlanProof(device=engine.gpu, crops=figures.rows, error=figures.error_worst, limit=limit)
    return manifest.with_proof(engine.gpu, found)


def keep(path: Path, manifest: Manifest, engine: TensorRtEngine, proof: Proof) -> str:
    """Write what `proof` found into the manifest of the plan at `path`, and return what to tell the user."""
    changed = proven(manifest, engine, proof)
    if changed == manifest:
        return ""
    try:
        changed.write(path)
    except InputError as error:
        return f"the manifest was not changed: {error}"
    return f"kept in the manifest: {'proven' if proof.passed else 'no longer proven'} on {engine.gpu}"
