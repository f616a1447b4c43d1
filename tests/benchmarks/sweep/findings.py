"""Findings as a cell's process could have made them."""

from __future__ import annotations

from typing import Any

from pptsn.benchmarks.sweep.cells import Findings, FolderRun


def findings(**changes: Any) -> Findings:
    """Return what a cell found in two repeats of ten clips of 5 crops each, but for `changes`."""
    values: dict[str, Any] = {
        "precision": "fp32",
        "classes": 6,
        "description": "onnxruntime 1.22.0 on cpu",
        "backend": "onnxruntime",
        "device": "cpu",
        "batch_size": 5,
        "notes": [],
        "views_per_crop": 2,
        "clips_timed": 10,
        "latency_ms": [[float(i) for i in range(1, 11)], [float(i) for i in range(3, 13)]],
        "folder_runs": [
            FolderRun(clips=10, crops=50, seconds=2.0, joules=None),
            FolderRun(clips=10, crops=50, seconds=1.0, joules=None),
        ],
        "energy_notes": [],
        "peak_memory_mb": 100.0,
        "answers": {0: [0, 1, 2, 3, 4], 1: [1, 0, 2, 3, 4], 2: [5, 0, 1, 2, 3]},
        "unreadable": {},
    }
    return Findings(**(values | changes))
