"""A slowdown of known size shows in the stage that has it, and in no other."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from pptsn.benchmarks.measure.percentiles import interval_of
from pptsn.benchmarks.measure.results import Result
from tests.benchmarks.stages.planted import SLOWDOWN, STAGES, plain_and_slowed

PER_CLIP = "_ms_per_clip"
# What is asked for lies within these, whatever the hashing that makes up the slowdown costs besides.
LEAST, MOST = 0.6 * SLOWDOWN, 2.5 * SLOWDOWN


def ratios(plain: Result, slowed: Result) -> dict[str, list[float]]:
    """Return how much longer each stage took in the second, repeat by repeat: the two were measured in turn."""
    return {
        m.name.removesuffix(PER_CLIP): [
            after / before for before, after in zip(m.repeats, slowed[m.name].repeats, strict=True)
        ]
        for m in plain.measurements
        if m.name.endswith(PER_CLIP) and m.value is not None
    }


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.slow
def test_a_fifth_more_work_in_one_stage_shows_there_alone(stage: str, tmp_path: Path) -> None:
    for repeats in (11, 22, 44):  # the busier the machine, the more repeats it takes to be sure
        plain, slowed = plain_and_slowed(stage, tmp_path, repeats=repeats)
        found = ratios(plain, slowed)
        if interval_of(found[stage])[0] > 1:
            break
    assert plain.settings == slowed.settings
    assert {*STAGES, "demux", "colour", "crop", "aggregate", "emit"} == found.keys()
    assert interval_of(found[stage])[0] > 1
    assert 1 + LEAST < statistics.median(found.pop(stage)) < 1 + MOST
    assert [other for other, values in found.items() if interval_of(values)[0] > 1 + LEAST] == []
