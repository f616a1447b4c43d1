"""What runs a model, in the words of reports."""

from __future__ import annotations

import re

from runtime.engines import Engine


def backend_name(engine: Engine) -> str:
    """Return what runs the model in short, without a version: "onnxruntime cpu"."""
    found = re.match(r"(\S+)(?: \S+)?(?: (by \S+))? on (\S+)", engine.description)
    return " ".join(part for part in found.groups() if part) if found else engine.description
