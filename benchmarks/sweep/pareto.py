"""The cells that no other cell beats in both of two figures, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pptsn.benchmarks.measure.results import Result

# How much accuracy to give for speed, in points of a hundred.
_TOLERANCE_POINTS = 1.0
_ACCURACIES = {"top1_percent": "top-1 accuracy", "agreement_percent": "agreement"}


@dataclass(frozen=True)
class Point:
    """A result, two of its figures, and whether no other result is better in one and no worse in the other."""

    result: Result
    x: float
    y: float
    on_front: bool


def front(points: Sequence[tuple[float, float]], *, x_better: str, y_better: str) -> list[bool]:
    """Return for each (x, y) whether no other point dominates it: Pareto's front.

    A point dominates another if it is no worse in both figures and better in one; equal points stand together.
    x_better, y_better: "lower" or "higher".
    """
    signed = [(_signed(x, x_better), _signed(y, y_better)) for x, y in points]
    on_front = set[tuple[float, float]]()
    best_y = float("inf")
    # From the best x on, and for one x from the best y on, a point must be better in y than all before it.
    for x, y in sorted(set(signed)):
        if y < best_y:
            on_front.add((x, y))
            best_y = y
    return [point in on_front for point in signed]


def _signed(value: float, better: str) -> float:
    """Return `value` such that lower is better."""
    if better not in ("lower", "higher"):
        raise ValueError(f"better is {better!r}, expected 'lower' or 'higher'")
    return value if better == "lower" else -value


def pareto_points(results: Sequence[Result], x: str = "latency_p50_ms", y: str = "top1_percent") -> list[Point]:
    """Return a point for each of `results` that has the measurements `x` and `y`, in their order."""
    known = [result for result in results if result.value(x) is not None and result.value(y) is not None]
    pairs = [(result[x].value or 0.0, result[y].value or 0.0) for result in known]
    if not known:
        return []
    on_front = front(pairs, x_better=known[0][x].better, y_better=known[0][y].better)
    return [Point(result, *pair, on) for result, pair, on in zip(known, pairs, on_front, strict=True)]


def accuracy_name(results: Sequence[Result]) -> str:
    """Return the measurement that tells how good the cells of a sweep are: top1_percent, or agreement_percent."""
    for name in _ACCURACIES:
        if any(result.value(name) is not None for result in results):
            return name
    return next(iter(_ACCURACIES))


def recommended(results: Sequence[Result]) -> tuple[Result, str] | None:
    """Return the fastest result within a point of the best accuracy, and a sentence on it; None without any."""
    name = accuracy_name(results)
    points = pareto_points(results, y=name)
    if not points:
        return None
    best = max(points, key=lambda point: (point.y, -point.x))
    taken = min(
        (point for point in points if point.y >= best.y - _TOLERANCE_POINTS), key=lambda point: (point.x, -point.y)
    )
    what = _ACCURACIES[name]
    figures = f"{taken.x:.1f} ms a clip at {taken.y:.1f} % {what}"
    sentence = f"Take {_named(taken.result)}: {figures}, "
    if taken is best:
        return taken.result, sentence + "the best, and none within a point of it is faster."
    rest = f"the fastest within a point of the best, which takes {best.x:.1f} ms for {best.y:.1f} %."
    return taken.result, sentence + rest


def _named(result: Result) -> str:
    setting = result.settings
    segments = f"{setting['segments']} segment{'' if setting['segments'] == 1 else 's'}"
    return f"{setting['model']} with {setting['views']} views of {segments} at batch {setting['batch']}"
