"""A model file by itself, proven by the reference that it carries on the device and backend that run it here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pptsn.convert.verify.limits import Gates
from pptsn.convert.verify.logits import open_model
from pptsn.convert.verify.plans import keep
from pptsn.convert.verify.proof import Proof, no_reference, prove
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.file import ModelFile


def prove_file(model: str | Path, runs: Runs, gates: Gates | None = None) -> Proof:
    """Run the file `model`, an .onnx or an .engine, as `runs` says, and compare it with the reference it carries.

    gates: limits of the user's, in the place of the build's own.
    What is found of a plan, by its own limits, is kept in its manifest.
    Raises UsageError for a file that carries no reference, ModelError for a damaged one.
    """
    gates = gates or Gates()
    file = ModelFile.open(model)
    if file.reference is None:
        raise no_reference(file)
    with open_model(model, runs) as engine:
        proof = prove(engine, file, name=model, gates=gates)
        if file.manifest is None or gates.asked or not isinstance(engine, TensorRtEngine):
            return proof
        kept = keep(Path(model), file.manifest, engine, proof)
    return dataclasses.replace(proof, remarks=(*proof.remarks, *([kept] if kept else [])))
