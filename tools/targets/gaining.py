"""Targets for what the toolkit gains over the plain way: taken from the ladder of `tools.gains.ladder`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pptsn.benchmarks.measure.results import Measurement, Result
from tools.targets.target import Target

PREPARE = Target(
    name="prepare_ms", what="a short clip decoded, sampled, resized and cropped", unit="ms", at_most=42
)
PREPARE_GAIN = Target(
    name="prepare_speedup", what="the same, against the plain way's preprocessing", unit="times", at_least=7
)
FP32_GAIN = Target(
    name="fp32_speedup", what="classifying a clip in FP32, against the plain way", unit="times", at_least=1.1
)
INT8_GAIN = Target(
    name="int8_speedup", what="classifying a clip in INT8, against the plain way", unit="times", at_least=2.9
)
WINDOWS_GAIN = Target(
    name="windows_speedup", what="windows on a stream, against recomputing them", unit="times", at_least=20
)

_SPEEDUP = "speedup_over_plain_times"
# Target, part, rung and measurement.
_TAKEN = (
    (PREPARE, "preprocessing", "toolkit", "clip_ms"),
    (PREPARE_GAIN, "preprocessing", "toolkit", _SPEEDUP),
    (FP32_GAIN, "clip", "overlap", _SPEEDUP),
    (INT8_GAIN, "clip", "int8", _SPEEDUP),
    (WINDOWS_GAIN, "windows", "frame reuse", _SPEEDUP),
)


def targets_of(gains: Sequence[Result]) -> list[Result]:
    """Return the results of the targets that the results of `measure_gains` hold; others have an error."""
    return [_taken(gains, *which) for which in _TAKEN]


def _taken(gains: Sequence[Result], target: Target, part: str, rung: str, name: str) -> Result:
    found = next(
        (result for result in gains if (result.settings["part"], result.settings["rung"]) == (part, rung)), None
    )
    if found is None:
        return target.failed(f"the gains have no rung {rung!r} of {part!r}")
    settings = {key: found.settings[key] for key in ("model", "segments", "views", "clip")}
    return target.result(_named(found[name], target.name), settings=settings)


def _named(measurement: Measurement, name: str) -> Measurement:
    return replace(measurement, name=name)
