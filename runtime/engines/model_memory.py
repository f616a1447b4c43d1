"""How much memory the models of a process may take on the CPU, whatever runs them."""

from __future__ import annotations

import os

from pptsn.runtime.base.errors import ModelError, UsageError

# What the models of a process may take, in megabytes; half of the machine's memory if not set.
VARIABLE = "PPTSN_MAX_MODEL_MB"
_LEAST_MB, _LARGEST_MB = 100, 10_000_000
_MB = 1_000_000


def most_bytes() -> int:
    """Return how many bytes they may take; raises UsageError for a variable that is no number of megabytes."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    if not (text.isascii() and text.isdigit() and _LEAST_MB <= int(text[:9]) <= _LARGEST_MB):
        raise UsageError(VARIABLE, f"is {text!r}", f"expected {_LEAST_MB} to {_LARGEST_MB} megabytes")
    return int(text) * _MB


def too_much(model: object) -> ModelError:
    """Return the error for a model that asks for more.  model: its path."""
    cause = f"needs more memory than the {most_bytes() // _MB} MB that models may take"
    return ModelError(model, cause, f"take a model that you trust, or allow more by {VARIABLE}=...")
