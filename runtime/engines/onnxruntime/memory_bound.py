"""A bound on what a graph may ask for on the CPU: a few hundred bytes of it can stand for terabytes.

Shapes inside a graph are known only while it runs (`Expand`, `ConstantOfShape`, `Tile`, a chain of `Concat`), so
the memory itself is bounded: all sessions of a process on the CPU take theirs from one arena, which refuses more,
and constants that would grow beyond a bound are not computed when a model is loaded.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Any

from pptsn.runtime.base.errors import UsageError

# What the models of a process may take, in megabytes; half of the machine's memory if not set.
VARIABLE = "PPTSN_MAX_MODEL_MB"
_LEAST_MB, _LARGEST_MB = 100, 10_000_000
_MB = 1_000_000
# Of one constant; the largest of ResNet-200's weights have 38 MB.
_CONSTANT_BYTES = 256 * _MB
# Versions that do not know it pass over it.
_CONSTANTS_KEY = "optimization.constant_folding_max_output_size_in_bytes"
# What the arena says, and what is said where even the system refuses.
_REFUSED = re.compile(r"is smaller than requested bytes|Failed to allocate memory|bad_?\s?alloc", re.IGNORECASE)

_lock = threading.Lock()
_bounded = False


def bound_memory(onnxruntime: Any, options: Any) -> None:
    """Let the session of `options`, on the CPU, take its memory from what all sessions of the process may take.

    Raises UsageError for a variable that is no number of megabytes.
    """
    global _bounded
    with _lock:
        if not _bounded:
            kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
            where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
            arena = onnxruntime.OrtArenaCfg({"max_mem": _most_bytes()})
            onnxruntime.create_and_register_allocator(where, arena)
            _bounded = True
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry(_CONSTANTS_KEY, str(_CONSTANT_BYTES))


def over_bound(text: str) -> str:
    """Return the cause where ONNX Runtime's `text` says that the bound was met, or ""."""
    if _REFUSED.search(text) is None:
        return ""
    return f"needs more memory than the {_most_bytes() // _MB} MB that models may take"


def _most_bytes() -> int:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    if not (text.isascii() and text.isdigit() and _LEAST_MB <= int(text[:9]) <= _LARGEST_MB):
        raise UsageError(VARIABLE, f"is {text!r}", f"expected {_LEAST_MB} to {_LARGEST_MB} megabytes")
    return int(text) * _MB
