"""Proving a build of a model file by nothing but the file: against the reference that it carries.

What is proven is the build: that the file, on the device and backend that run it here, computes what Paddle
computed for a few crops.  How often the model is right is another question, which takes labelled clips.

Two things are looked at:

- the build's logits beside Paddle's, within what its precision can keep.  INT8 is allowed a multiple of the error
  that its conversion found on the same crops, since two right builds differ as much as either does from Paddle;
- of an INT8 file, its constants besides, without that noise: see `pptsn.convert.verify.unrounded`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.convert.verify.agreement import agreement
from pptsn.convert.verify.limits import FP16_ERROR, FP32_ERROR, INT8_ERROR, Gates, Limits
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.convert.verify.report import Report
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, UsageError, VerificationError
from pptsn.runtime.base.files import write_text
from pptsn.runtime.engines import Engine, EngineIdentity
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.reference import Reference

PROVES = "the build, not the accuracy"
REFERENCE = "the reference it carries"
# Calibrated on right and broken builds: docs/files.md has the table, `tools.proofs` makes it.
INT8_FACTOR = 2.0
UNROUNDED_ERROR = 1e-3
UNROUNDED_FP16_ERROR = FP16_ERROR
_REMEDY_OF_BUILD = "build it anew, or run it on another --backend or --device to tell whose fault it is"
_REMEDY_OF_FILE = "convert the model again"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found of one build.

    build: its logits beside Paddle's.  constants: an INT8 file's without rounding of activations, beside those of
        its conversion; None where nothing was looked at, for other precisions by rights.
    identity: who computed.  same_spec: whether the file's spec is the one that its reference was made for.
    remarks: what could not be looked at, and why.
    """

    build: Report
    constants: Report | None
    identity: EngineIdentity
    same_spec: bool
    remarks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()  # no clip is read

    @property
    def passed(self) -> bool:
        """Whether all of it keeps to its limits."""
        return not any(self._failures())

    def _failures(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, and what to do about it."""
        if not self.same_spec:
            yield "its spec is not the one that its reference was made for", _REMEDY_OF_FILE
        if self.constants is not None:
            for violation in self.constants.limits.violations(self.constants.figures, None):
                yield f"its constants are not those of its conversion: {violation}", _REMEDY_OF_FILE
        for violation in self.build.limits.violations(self.build.figures, None):
            yield f"against Paddle's logits, {violation}", _REMEDY_OF_BUILD

    def failures(self) -> list[str]:
        """Return a phrase for each thing that is wrong."""
        return [cause for cause, _ in self._failures()]

    def require_passed(self) -> None:
        """Raise VerificationError with the first thing that is wrong."""
        for cause, remedy in self._failures():
            raise VerificationError(self.build.model, f"by {self.identity}: {cause}", remedy)

    def to_dict(self) -> dict[str, Any]:
        """Return the report's JSON object."""
        return {
            **self.build.to_dict(),
            "passed": self.passed,
            "proves": PROVES,
            "engine": dataclasses.asdict(self.identity),
            "same_spec": self.same_spec,
            "constants": None if self.constants is None else self.constants.to_dict(),
            "failures": self.failures(),
            "remarks": list(self.remarks),
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON to `path`, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")


def prove(engine: Engine, file: ModelFile, *, name: str | Path, gates: Gates | None = None) -> Proof:
    """Compare `engine`, which runs `file`, with the reference that the file carries.

    name: of the file, in the report.  gates: limits of the user's, in the place of the build's own.
    Raises UsageError where the file carries none, ModelError for a broken one.
    """
    reference = file.reference
    if reference is None:
        raise no_reference(file)
    crops = reference.crops(file.spec, source=file.path)
    paddle = reference.paddle(file.spec, source=file.path)
    if len(crops) != len(paddle):
        cause = f"its reference has {len(crops)} crops and logits for {len(paddle)}"
        raise ModelError(file.path, cause, _REMEDY_OF_FILE)
    limits = _limits(engine, reference, gates or Gates())
    build = Report(str(name), REFERENCE, limits, agreement(infer_in_batches(engine, crops), paddle))
    constants, remarks = _constants(file, reference, name)
    return Proof(
        build=build,
        constants=constants,
        identity=engine.identity,
        same_spec=reference.made_for(file.spec),
        remarks=remarks,
    )


def no_reference(file: ModelFile) -> UsageError:
    """Return the error for a file that carries nothing to be proven by."""
    cause = "carries no reference to be proven by, as files of older releases or of very large crops"
    again = "convert it again" if file.manifest is None else "convert its ONNX file again and build it anew"
    return UsageError(file.path, cause, f"{again}, or name --reference EXPORT, or --against MODEL and --clips")


def _limits(engine: Engine, reference: Reference, gates: Gates) -> Limits:
    """Return what the build keeps to: what the user says, or else what its precision can keep."""
    if gates.asked:
        return gates.limits([engine.spec.precision])
    if engine.spec.precision == "int8":
        allowed = INT8_FACTOR * max(reference.error, FP16_ERROR)
        return Limits(error_worst=min(allowed, INT8_ERROR))  # what the file says of itself may be forged
    coarse = engine.spec.precision == "fp16" or engine.identity.on_gpu
    return Limits(error_worst=FP16_ERROR if coarse else FP32_ERROR)


def _constants(file: ModelFile, reference: Reference, name: str | Path) -> tuple[Report | None, tuple[str, ...]]:
    """Return the report on an INT8 ONNX file's constants, or None; and why it is missing where one is due."""
    if file.manifest is not None:
        return None, ()
    expected = reference.unrounded(file.spec, source=file.path)
    if expected is None:
        return None, ()
    # Only here, since it takes ONNX Runtime, which a machine with another backend may lack.
    from pptsn.convert.verify.unrounded import unrounded_logits

    try:
        logits = unrounded_logits(file, reference.crops(file.spec, source=file.path))
    except MissingDependencyError as error:
        return None, (f"its constants were not looked at: {error.thing} is not installed",)
    # An FP16 network is computed in FP32 on x86-64 and in FP16 on some of Arm.
    limit = UNROUNDED_FP16_ERROR if file.quantized_for == "tensorrt" else UNROUNDED_ERROR
    return Report(str(name), REFERENCE, Limits(error_worst=limit), agreement(logits, expected)), ()
