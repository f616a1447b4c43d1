"""The files of an export folder: what training writes there and conversion reads."""

from __future__ import annotations

# Paddle 3 writes model.json where Paddle 2 wrote model.pdmodel.
PROGRAM_NAMES = ("model.json", "model.pdmodel")
PARAMETERS_NAME = "model.pdiparams"
SPEC_NAME = "spec.json"
REFERENCE_NAME = "reference.npz"
