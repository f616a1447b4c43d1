"""Deployment graphs as files: sealed with their spec and a digest of their content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnx

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.kinds import MODEL, refuse_others
from pptsn.runtime.model.reference import Reference
from pptsn.runtime.model.spec import ModelSpec


def write_model(
    model: onnx.ModelProto,
    spec: ModelSpec,
    path: Path,
    *,
    quantization: dict[str, Any] | None = None,
    reference: Reference | None = None,
) -> None:
    """Write `model` to `path` with `spec` and the digest in its metadata, after ONNX's own checker passed it.

    quantization: how an INT8 model was made, as JSON values.  reference: what it can be proven by.
    Not atomic: give it the temporary path of `pptsn.runtime.base.files.atomic_file`.
    """
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(sealed(model.SerializeToString(), spec, quantization=quantization, reference=reference))


def check_output(output: Path, model: Path | None = None) -> None:
    """Refuse, before any work, an output that cannot be written or would replace `model`, which it is made from.

    Raises UsageError, or InputError for a folder that cannot be written to.
    """
    if output.suffix != ".onnx":
        name = output.with_suffix(".onnx") if output.name.strip(".") else "as in output/model.onnx"
        raise UsageError("-o", f"{output} does not end in .onnx", f"name it {name}")
    if output.is_dir():
        raise UsageError("-o", f"{output} is a folder", f"as in {output / 'model.onnx'}")
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(output, f"{folder} cannot be written to", "choose a writable place with room")
    if model is not None and output.exists() and model.exists() and output.samefile(model):
        raise UsageError("-o", f"{output} is the model that it would be made from", "choose another name")


def load_model(path: str | Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return a deployment graph and its spec; raises ModelError for a damaged file or another model."""
    refuse_others(Path(path), MODEL)
    file = ModelFile.open(path, keep_content=True)
    return onnx.load_model_from_string(file.content), file.spec
