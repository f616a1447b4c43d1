"""Memory over hundreds of thousands of frames."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import time
from contextlib import suppress
from pathlib import Path

from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.engines import Engine
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.sources.uri import parse_source
from tools.targets.pipelines import Ages, settings_for
from tools.targets.target import Target

GROWTH = Target(
    name="memory_growth_percent", what="memory late in a long stream, beyond that early in it", unit="%", at_most=5
)

_FPS = 25
# Beyond the last mark, so that it is passed.
_MORE_FRAMES = 1000
_LOOK_S = 0.02


def measure_growth(engine: Engine, *, model: str, early: int, late: int) -> Result:
    """Return how much more memory the pipeline has after `late` frames than after `early` ones.

    Every frame is sampled: the grid's step is the time of a frame.
    """
    marks: dict[int, tuple[float, float]] = {}
    pipeline = StreamPipeline(engine, settings_for(step_s=1 / _FPS))
    started_s = time.monotonic()
    with pipeline:
        pipeline.add_sink(Ages())
        pipeline.add(parse_source(f"synthetic:?fps={_FPS}&size=160x120&frames={late + _MORE_FRAMES}"))
        pipeline.start()
        while not pipeline.wait(_LOOK_S):
            inferred = pipeline.health()[0].inferred
            for mark in (early, late):
                if inferred >= mark and mark not in marks:
                    marks[mark] = (_resident_mb(os.getpid()), _capture_mb())
    rate = (late + _MORE_FRAMES) / (time.monotonic() - started_s)
    (early_mb, early_capture_mb), (late_mb, late_capture_mb) = marks[early], marks[late]
    growth = [100 * (late_mb / early_mb - 1)]
    return GROWTH.result(
        over_repeats(GROWTH.name, growth, unit="%", better="lower"),
        over_repeats("late_mb", [late_mb], unit="MB", better="lower"),
        over_repeats("capture_late_mb", [late_capture_mb], unit="MB", better="lower"),
        over_repeats("frames_per_s", [rate], unit="frames/s", better="higher"),
        settings={"model": model, "early_frames": early, "late_frames": late},
        facts={"early_mb": early_mb, "capture_early_mb": early_capture_mb},
    )


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _capture_mb() -> float:
    """Return the resident memory of the capture processes: the children of multiprocessing's fork server."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    total = 0.0
    for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        with suppress(OSError):
            total += _resident_mb(int(pid))
    return total
