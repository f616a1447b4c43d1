"""Deployment graphs as files: sealed with their spec and a digest of their content."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from runtime.onnx_file import DIGEST_KEY, SPEC_KEY, content_digest, read_spec
from runtime.spec import ModelSpec


def write_model(model: onnx.ModelProto, spec: ModelSpec, path: Path) -> None:
    """Write `model` to `path` with `spec` and the digest in its metadata, after ONNX's own checker passed it.

    Not atomic: give it the temporary path of `runtime.files.atomic_file`.
    """
    helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
    onnx.checker.check_model(model, full_check=True)
    digest = content_digest(model.SerializeToString())
    helper.set_model_props(model, {SPEC_KEY: spec.to_json(), DIGEST_KEY: digest})
    path.write_bytes(model.SerializeToString())


def load_model(path: str | Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return a deployment graph and its spec; raises ModelError for a damaged file or another model."""
    spec = read_spec(path)
    return onnx.load(str(path)), spec
