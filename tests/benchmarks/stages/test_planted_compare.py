"""What the whole chain is for: a fifth more work in one stage fails the comparison of reports, which names it.

A stage is named where it is 10 % slower or more, the bound of `pptsn bench compare`, and its interval lies beyond
the other report's.  A fifth is twice the bound; how soon the intervals part depends on the number of runs, and on
what else the machine does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import pytest

from pptsn.benchmarks.measure.documents import write_report
from pptsn.benchmarks.measure.results import Report, Result
from tests.benchmarks.stages.planted import STAGES, plain_and_slowed


def write(result: Result, path: Path) -> Path:
    """Write a report of that result alone, from a machine that tells nothing of itself."""
    report = Report(created="2026-01-01T00:00:00+00:00", command="", machine={}, noise={}, results=(result,))
    write_report(report, path)
    return path


# They count on a machine that is not too busy, and take their time where it is.
pytestmark = pytest.mark.slow


@pytest.fixture
def compare(run: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return what measures with a planted slowdown, and how the command ends that compares with none."""

    def measure_and_compare(stage: str, *, repeats: int, clock: Callable[[], float]) -> Any:
        plain, slowed = plain_and_slowed(stage, tmp_path, repeats=repeats, clock=clock)
        base, new = write(plain, tmp_path / "base.json"), write(slowed, tmp_path / "new.json")
        assert run("bench", "compare", base, base).code == 0
        return run("bench", "compare", base, new)

    return measure_and_compare


def named_in(compared: Any) -> set[str]:
    """Return which of STAGES the comparison calls slower."""
    (found,) = json.loads(compared.out.splitlines()[-1])["comparisons"]
    return {stage for stage in STAGES if any(f"{stage} got" in line for line in found["regressions"])}


@pytest.mark.parametrize("stage", STAGES)
def test_a_planted_slowdown_of_a_fifth_fails_the_comparison_which_names_the_stage(
    compare: Callable[..., Any], stage: str
) -> None:
    for repeats in (15, 30, 60, 120):  # the busier the machine, the more repeats until the intervals part
        compared = compare(stage, repeats=repeats, clock=thread_time)
        if compared.code:
            break
    assert compared.code == 1
    assert named_in(compared) == {stage}
    assert f"{stage} got" in compared.out


@pytest.mark.parametrize("stage", ["decode", "compute"])
def test_it_is_named_by_the_clock_that_users_have_as_well(compare: Callable[..., Any], stage: str) -> None:
    # That clock goes on while other programs have the processor: a stage that they hit may look slower than it
    # is, and the one that is slower may drown in the noise.  More repeats settle both; 5 are the command's own.
    for repeats in (5, 15, 45, 90):
        compared = compare(stage, repeats=repeats, clock=perf_counter)
        if named_in(compared) == {stage}:
            break
    assert compared.code == 1
    assert named_in(compared) == {stage}
