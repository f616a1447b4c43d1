"""A bound on what a graph may ask for on the CPU: a few hundred bytes of it can stand for terabytes.

Shapes inside a graph are known only while it runs (`Expand`, `ConstantOfShape`, `Tile`, a chain of `Concat`), so
the memory itself is bounded: all sessions of a process on the CPU take theirs from one arena, which refuses more,
and constants that would grow beyond a bound are not computed when a model is loaded.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from pptsn.runtime.engines.model_memory import most_bytes

_MB = 1_000_000
# Of one constant; the largest of ResNet-200's weights have 38 MB.
_CONSTANT_BYTES = 64 * _MB
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
    most = most_bytes()  # a wrong one is told by whichever session is opened
    with _lock:
        if not _bounded:
            kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
            where = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
            arena = onnxruntime.OrtArenaCfg({"max_mem": most})
            onnxruntime.create_and_register_allocator(where, arena)
            _bounded = True
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry(_CONSTANTS_KEY, str(_CONSTANT_BYTES))


def is_over_bound(text: str) -> bool:
    """Whether ONNX Runtime's `text` says that the bound was met."""
    return _REFUSED.search(text) is not None
