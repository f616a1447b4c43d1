from __future__ import annotations

import random

import pytest

from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.sweep.pareto import accuracy_name, front, pareto_points, recommended


def dominated_by_definition(points: list[tuple[float, float]], x_sign: int, y_sign: int) -> list[bool]:
    signed = [(x_sign * x, y_sign * y) for x, y in points]
    return [any(a <= x and b <= y and (a < x or b < y) for a, b in signed) for x, y in signed]


@pytest.mark.parametrize("x_better", ["lower", "higher"])
@pytest.mark.parametrize("y_better", ["lower", "higher"])
def test_the_front_is_what_no_point_dominates(x_better: str, y_better: str) -> None:
    signs = {"lower": 1, "higher": -1}
    rng = random.Random(0)
    for size in range(30):
        # Few values, so that many points are equal in one figure or in both.
        points = [(rng.randrange(6) / 2, rng.randrange(6) / 2) for _ in range(size)]
        expected = [not d for d in dominated_by_definition(points, signs[x_better], signs[y_better])]
        assert front(points, x_better=x_better, y_better=y_better) == expected


def test_a_figure_without_a_better_side_has_no_front() -> None:
    with pytest.raises(ValueError, match="expected 'lower' or 'higher'"):
        front([(1, 2)], x_better="", y_better="higher")


def cell(
    model: str,
    latency_ms: float | None,
    accuracy: float | None,
    name: str = "top1_percent",
) -> Result:
    return Result(
        section="sweep",
        settings={"model": model, "views": "ten", "segments": 1, "batch": "auto"},
        measurements=(
            Measurement(name=name, unit="%", better="higher", value=accuracy),
            Measurement(name="latency_p50_ms", unit="ms", better="lower", value=latency_ms),
        ),
    )


def test_points_are_of_the_results_that_have_both_figures() -> None:
    failed = Result(section="sweep", settings={}, error="broken")
    results = [cell("a", 10, 90), failed, cell("b", None, 99), cell("c", 20, 80), cell("d", 5, 50)]
    points = pareto_points(results)
    assert [(p.result.settings["model"], p.x, p.y, p.on_front) for p in points] == [
        ("a", 10, 90, True),
        ("c", 20, 80, False),
        ("d", 5, 50, True),
    ]
    assert pareto_points([failed]) == []


def test_the_fastest_within_a_point_of_the_best_is_recommended() -> None:
    results = [cell("best", 50, 94.0), cell("near", 20, 93.0), cell("fast", 5, 92.9), cell("slower", 30, 93.5)]
    choice = recommended(results)
    assert choice is not None
    assert choice[0] is results[1]
    assert choice[1] == (
        "Take near with ten views of 1 segment at batch auto: 20.0 ms a clip at 93.0 % top-1 accuracy, "
        "the fastest within a point of the best, which takes 50.0 ms for 94.0 %."
    )


def test_the_best_is_recommended_where_nothing_near_it_is_faster() -> None:
    choice = recommended([cell("best", 10, 94.0, "agreement_percent"), cell("fast", 5, 50, "agreement_percent")])
    assert choice is not None
    assert choice[0].settings["model"] == "best"
    assert choice[1].endswith("94.0 % agreement, the best, and none within a point of it is faster.")


def test_nothing_is_recommended_without_figures() -> None:
    assert recommended([Result(section="sweep", settings={}, error="broken")]) is None
    assert recommended([cell("a", 1, None)]) is None
    assert accuracy_name([]) == "top1_percent"
