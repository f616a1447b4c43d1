"""`pptsn classify` as a process of its own: its peak memory, and how soon it answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result, Setting
from tools.targets.target import Target
from tools.targets.trees import peak_pss_mb

MEMORY = Target(name="peak_memory_mb", what="peak memory of pptsn classify", unit="MB", at_most=450)
# What each decoder may need besides.
DECODER_MB = 150
START = Target(
    name="start_to_answer_s",
    what="start of pptsn classify to its answer for one short clip",
    unit="s",
    at_most=1.2,
)


def classify_command(
    model: Path, sources: Sequence[Path], *, segments: int, views: str, decoders: int | None = None
) -> list[str]:
    """Return the command that classifies `sources`, without progress; decoders: None for as many as it takes."""
    options = ["--model", str(model), "--segments", str(segments), "--views", views]
    if decoders is not None:
        options += ["--decoders", str(decoders)]
    return [sys.executable, "-m", "pptsn", "--quiet", "classify", *map(str, sources), *options]


def measure_memory(
    sources: Sequence[Path],
    name: str,
    model: Path,
    method: Method,
    *,
    segments: int,
    views: str,
    decoders: int = 0,
) -> Result:
    """Return the peak memory of classifying `sources`, called `name` in the result, decoders included."""
    command = classify_command(model, sources, segments=segments, views=views, decoders=decoders)
    settings: dict[str, Setting] = {
        "model": model.name,
        "source": name,
        "segments": segments,
        "views": views,
        "decoders": decoders,
    }
    values = [peak_pss_mb(command) for _ in range(method.repeats)]
    measured = over_repeats(MEMORY.name, values, unit=MEMORY.unit, better="lower")
    bound = (MEMORY.at_most or 0) + DECODER_MB * decoders
    return replace(MEMORY, at_most=bound).result(measured, settings=settings)


def measure_start(model: Path, clip: Path, method: Method, *, segments: int, views: str) -> Result:
    """Return the time from starting the program to its end, with the answer printed: files are in the cache."""
    command = classify_command(model, [clip], segments=segments, views=views)
    values: list[float] = []
    # The first warms the disk's cache up.
    for repeat in range(max(method.repeats, method.least_iterations) + 1):
        method.watch.look()
        started_s = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        if repeat:
            values.append(time.perf_counter() - started_s)
    measured = over_repeats(START.name, values, unit=START.unit, better="lower")
    settings: dict[str, Setting] = {"model": model.name, "segments": segments, "views": views}
    return START.result(measured, settings=settings)
