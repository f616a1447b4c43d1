"""A plan is proven as soon as it is built, where a GPU of its kind is at hand."""

from __future__ import annotations

from pathlib import Path

from pptsn.convert.verify.plans import proven
from pptsn.convert.verify.proof import prove
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import Manifest


def prove_plan(plan: bytes, manifest: Manifest, *, path: Path) -> tuple[Manifest, str]:
    """Run `plan`, which is to be written to `path`, on this machine's GPU, and compare it with its reference.

    Returns the manifest with the proof, and ""; or the manifest as it is, and why the plan could not be run here.
    Raises VerificationError where its answers are wrong.
    """
    if manifest.reference is None:
        return manifest, "its ONNX file carries no reference; convert that again, and build the plan anew"
    file = ModelFile(path=path, spec=manifest.spec, sha256=manifest.plan_sha256, manifest=manifest, content=plan)
    try:
        engine = TensorRtEngine(file)
    except PptsnError as error:
        return manifest, f"it does not run here ({error}); on its device run: pptsn verify {path}"
    with engine:
        proof = prove(engine, file, name=path)
        proof.require_passed()
        return proven(manifest, engine, proof), ""
