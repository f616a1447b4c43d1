"""What runs a model, in the words of reports."""

from __future__ import annotations

import re

from pptsn.runtime.engines import Engine


def backend_name(engine: Engine) -> str:
    """Return what runs the model in short, without a version: "onnxruntime cpu", "onnxruntime cpu 1 thread"."""
    found = re.match(r"(\S+)(?: \S+)?(?: (by \S+))? on (\S+)", engine.description)
    name = " ".join(part for part in found.groups() if part) if found else engine.description
    if engine.threads is None:
        return name
    return f"{name} {engine.threads} thread{'s' if engine.threads > 1 else ''}"
