"""One figure over another, a point a case, with the front of those that no other case beats."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.reports.canvas import BEHIND, COLOURS, INK, MARKERS, group_thousands, log_axis, new_axes
from pptsn.benchmarks.reports.tables import shared_settings
from pptsn.benchmarks.reports.wording import case_in_words, heading_of, setting_in_words, with_unit

if TYPE_CHECKING:
    from pptsn.benchmarks.sweep.pareto import Point

_MOST_LISTED = 12
_LISTED_WIDTH = 78
# Where the middle of a number may stand beside its point, in points of 1/72 inch; the nearer ones first.
_NEAR = ((-9, 10), (10, -10), (-9, -10), (10, 10), (0, 12), (0, -12), (-13, 0), (13, 0))
_BESIDE = (*_NEAR, *((1.8 * right, 1.8 * up) for right, up in _NEAR))
# How far its middle keeps, across and up, from the middle of another number, and of a point.
_NUMBER_PT, _POINT_PT = (15, 11), (11, 9)
# More colours than this cannot be told apart.
_MOST_COLOURS = 6


@dataclass(frozen=True)
class ScatterChart:
    """The figures `y` over `x` of several sets of results.

    sets: a name for each, and its results; an empty one counts too, as its index gives the others' colours.
    """

    title: str
    x: str
    y: str
    sets: tuple[tuple[str, tuple[Result, ...]], ...]


def draw_scatter(chart: ScatterChart) -> Any:
    """Return the figure.  Colours tell the sets apart, or in a single set the precisions (models, backends).

    The points on the front of a single set are numbered, and named below.  Of several sets they are not: the same
    cases lie close to each other there, and a number would not say whose it is.
    """
    from pptsn.benchmarks.sweep.pareto import pareto_points

    every = [result for _, results in chart.sets for result in results]
    sets = [(name, pareto_points(results, chart.x, chart.y)) for name, results in chart.sets]
    drawn = [(name, points) for name, points in sets if points]
    listed = _listed(*drawn[0], shared_settings(every), chart) if len(drawn) == 1 else []
    lines = sum(1 + text.count("\n") for text in listed)
    plot, axes = new_axes(height_in=3.9 + 0.17 * lines + 0.25)
    colour_of = _colours(sets)
    for index, (name, points) in enumerate(sets):
        _draw_points(axes, points, colour_of, name, MARKERS[index % len(MARKERS)])
        line_colour = COLOURS[index % len(COLOURS)] if len(sets) > 1 else INK
        _draw_front(axes, points, line_colour)
    _finish_axes(axes, every, [point for _, points in sets for point in points], chart)
    axes.set_title(chart.title, loc="left", fontweight="bold")
    if listed:
        plot.supxlabel("\n".join(listed), x=0.02, ha="left", fontsize=8)
        plot.draw_without_rendering()  # only now the axes lie where they stay
        _number_front(axes, drawn[0][1])
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if len(unique) > 1 or len(sets) > 1:
        axes.legend(unique.values(), unique.keys(), loc="best", fontsize=8.5, handletextpad=0.3)
    return plot


def _colours(sets: Sequence[tuple[str, Sequence[Point]]]) -> Callable[[str, Result], tuple[str, str]]:
    """Return what gives a result's colour and its name in the legend."""
    if len(sets) > 1:
        ranks = {name: rank for rank, (name, _) in enumerate(sets)}
        return lambda name, _: (COLOURS[ranks[name] % len(COLOURS)], name)
    results = [point.result for _, points in sets for point in points]
    for setting in ("precision", "model", "backend", "views"):
        values = list(dict.fromkeys(setting_in_words(r.settings.get(setting)) for r in results))
        if 1 < len(values) <= _MOST_COLOURS:
            return lambda _, result: _by_value(values, setting_in_words(result.settings.get(setting)))
    return lambda name, _: (COLOURS[0], name)


def _by_value(values: Sequence[str], value: str) -> tuple[str, str]:
    return COLOURS[values.index(value) % len(COLOURS)], value


def _draw_points(
    axes: Any, points: Sequence[Point], colour_of: Callable[[str, Result], tuple[str, str]], name: str, marker: str
) -> None:
    for point in points:
        colour, label = colour_of(name, point.result)
        size = 62 if point.on_front else 26
        edge = INK if point.on_front else BEHIND
        axes.scatter(
            point.x,
            point.y,
            s=size,
            color=colour,
            marker=marker,
            edgecolors=edge,
            linewidths=0.8,
            label=label,
            zorder=3,
        )


def _draw_front(axes: Any, points: Sequence[Point], colour: str) -> None:
    """Join the points on the front from left to right."""
    front = _front(points)
    if len(front) > 1:
        axes.plot([p.x for p in front], [p.y for p in front], color=colour, linewidth=1, linestyle="--", zorder=2)


def _number_front(axes: Any, points: Sequence[Point]) -> None:
    """Number the points on the front, each clear of points and other numbers, or else as clear as it can be.

    The axes must have their limits, and lie where they stay in the figure, by now.
    """
    scale = 72 / axes.figure.dpi
    at = scale * axes.transData.transform([(point.x, point.y) for point in points])
    taken = [(float(x), float(y), _POINT_PT) for x, y in at]
    for number, point in enumerate(_front(points)[:_MOST_LISTED], 1):
        at_x, at_y = (float(each) for each in scale * axes.transData.transform((point.x, point.y)))
        # The first of the best: numbers stand alike where there is room.
        right, up = max(
            _BESIDE, key=lambda beside: min(1.0, _clearance(at_x + beside[0], at_y + beside[1], taken))
        )
        taken.append((at_x + right, at_y + up, _NUMBER_PT))
        _write_number(axes, number, point, (right, up))


def _clearance(x: float, y: float, taken: Sequence[tuple[float, float, tuple[float, float]]]) -> float:
    """Return how far a number here is from what is there: from 1 on it touches nothing."""
    return min(max(abs(x - its_x) / wide, abs(y - its_y) / high) for its_x, its_y, (wide, high) in taken)


def _write_number(axes: Any, number: int, point: Point, offset_pt: tuple[float, float]) -> None:
    axes.annotate(
        str(number),
        (point.x, point.y),
        xytext=offset_pt,
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=8.5,
        fontweight="bold",
    )


def _front(points: Sequence[Point]) -> list[Point]:
    """Return the points on the front from left to right; of several at one point the first."""
    found: dict[tuple[float, float], Point] = {}
    for point in points:
        if point.on_front:
            found.setdefault((point.x, point.y), point)
    return [found[at] for at in sorted(found)]


def _figures(point: Point, chart: ScatterChart) -> str:
    x, y = point.result[chart.x], point.result[chart.y]
    return f"{with_unit(point.x, x.unit)}, {with_unit(point.y, y.unit)}"


def _listed(name: str, points: Sequence[Point], shared: dict[str, Any], chart: ScatterChart) -> list[str]:
    """Return a line for each numbered point of the set `name`."""
    lines = [
        f"{number}  {case_in_words(point.result, shared) or name}  ({_figures(point, chart)})"
        for number, point in enumerate(_front(points), 1)
    ]
    told = [textwrap.fill(line, _LISTED_WIDTH, subsequent_indent="    ") for line in lines[:_MOST_LISTED]]
    return told + ([f"and {len(lines) - _MOST_LISTED} more on the line"] if len(lines) > _MOST_LISTED else [])


def _finish_axes(axes: Any, results: Sequence[Result], points: Sequence[Point], chart: ScatterChart) -> None:
    xs, ys = [point.x for point in points], [point.y for point in points]
    if min(xs) > 0:
        log_axis(axes.xaxis, min(xs) / 1.25, max(xs) * 1.25)
    heading_x, heading_y = heading_of(results[0][chart.x]), heading_of(results[0][chart.y])
    axes.set_xlabel(f"{heading_x} ({results[0][chart.x].better} is better)")
    axes.set_ylabel(f"{heading_y} ({results[0][chart.y].better} is better)")
    low, high = min(ys), max(ys)
    room = 0.12 * (high - low) or max(1.0, 0.02 * abs(high))
    low, high = max(0.0, low - room), high + room
    if results[0][chart.y].unit == "%" and high > 100:
        high = 100 + 0.04 * (100 - low)  # room for the points, none for a number that cannot be
    axes.set_ylim(low, high)
    group_thousands(axes.yaxis)
    axes.grid(linewidth=0.8)
