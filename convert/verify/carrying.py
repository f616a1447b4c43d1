"""Giving a converted file what it is later proven by: a few crops, Paddle's logits for them, its own figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pptsn.convert.verify.agreement import normalised_errors
from pptsn.convert.verify.limits import INT8_ERROR
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.convert.verify.reference import StoredReference
from pptsn.convert.verify.unrounded import unrounded_logits
from pptsn.runtime.base.errors import VerificationError
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.reference import MOST_BYTES, Reference

_MOST_CROPS = 3


def telling_reference(engine: Engine, stored: StoredReference) -> Reference | None:
    """Return what of the export's reference the file of `engine` is to carry; None where no crop has room.

    The crops are those in which a wrong order of channels and a wrong mirroring, the hardest to see, show most: of
    both, the smaller change of the logits counts.
    """
    swapped = infer_in_batches(engine, np.ascontiguousarray(stored.crops[..., ::-1]))
    logits = stored.logits(mirror=engine.spec.mirror)
    changes = np.minimum(
        normalised_errors(swapped, logits), normalised_errors(stored.mirrored_logits, stored.plain_logits)
    )
    found: Reference | None = None
    chosen: list[int] = []
    for index in np.argsort(-changes, kind="stable"):
        tried = [*chosen, int(index)]
        reference = Reference.of(stored.crops[tried], logits[tried], engine.spec)
        # Twice the logits: an INT8 file made of this one carries its own besides.
        if len(reference.to_json()) + len(reference.paddle_logits) <= MOST_BYTES:
            found, chosen = reference, tried
        if len(chosen) == _MOST_CROPS:
            break
    return found


def carry(written: Path, reference: Reference | None) -> None:
    """Write the ONNX file `written` again, with `reference` in it; of None it stays as it is.

    Not atomic: give it a temporary path.
    """
    if reference is not None:
        file = ModelFile.open(written, keep_content=True)
        written.write_bytes(sealed(file.content, file.spec, quantization=file.quantization, reference=reference))


def carry_on(source: Path, written: Path, *, name: str | Path) -> None:
    """Give the FP16 or INT8 file `written` the reference of `source`, of which it was made, with its own figures.

    They are what ONNX Runtime computes on the CPU of the file as it is written.  A source that carries nothing
    makes a file that carries nothing.  Not atomic, as `carry`.
    name: what `written` is to be called.
    Raises VerificationError for an INT8 file whose error is beyond what any proof of it would allow.
    """
    reference = ModelFile.open(source).reference
    if reference is None:
        return
    file = ModelFile.open(written)
    crops = reference.crops(file.spec, source=source)
    paddle = reference.paddle(file.spec, source=source)
    with OnnxRuntimeEngine(file, optimise=False) as engine:
        error = float(normalised_errors(infer_in_batches(engine, crops), paddle).max())
    if file.spec.precision == "int8" and not error <= INT8_ERROR:
        cause = f"its normalised logit error reaches {error:.3g} against Paddle's, more than {INT8_ERROR:g}"
        raise VerificationError(name, cause, "keep more layers in a higher precision or calibrate on more frames")
    unrounded = unrounded_logits(file, crops) if file.spec.precision == "int8" else None
    carry(written, reference.with_own(error=error, unrounded=unrounded))
