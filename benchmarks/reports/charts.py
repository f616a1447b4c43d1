"""Bars, shares, and one figure over another: the three kinds of plots."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.reports.tables import shared_settings
from pptsn.benchmarks.reports.wording import (
    case_in_words,
    decimals_of,
    figure,
    heading_of,
    interval,
    setting_in_words,
    with_unit,
)
from pptsn.benchmarks.sweep.pareto import Point, pareto_points
from pptsn.runtime.pages.canvas import BEHIND, COLOURS, INK, MARKERS, THOUSANDS, log_axis, new_axes

_LABEL_WIDTH = 30
_BAR_IN, _LINE_IN, _GAP_IN, _AROUND_IN = 0.2, 0.16, 0.14, 0.9
# A share below this has no room for its number.
_LEAST_SHARE_SHOWN = 6.0


@dataclass(frozen=True)
class Bar:
    """One bar: the case that it belongs to, the series within the case, and its length."""

    case: str
    series: str
    measurement: Measurement


@dataclass(frozen=True)
class BarChart:
    """Bars in groups, a group a case; several series have a legend.

    series: every name that a bar's series can have, also those without a bar: its index gives the colour, which so
    is the same in all charts.
    """

    title: str
    x_label: str
    bars: tuple[Bar, ...]
    series: tuple[str, ...]


def draw_bars(chart: BarChart) -> Any:
    """Return the figure: horizontal bars, each with its value and its interval."""
    cases = _order(bar.case for bar in chart.bars)
    labels = {case: textwrap.fill(case, _LABEL_WIDTH) for case in cases}
    heights, middles, depth = _heights(chart.bars, cases, labels)
    plot, axes = new_axes(height_in=depth + _AROUND_IN + (0.3 if len(chart.series) > 1 else 0))
    longest = max(_end(bar.measurement) for bar in chart.bars) or 1.0
    for index, name in enumerate(chart.series):
        own = [(y, bar.measurement) for y, bar in zip(heights, chart.bars, strict=True) if bar.series == name]
        if not own:
            continue
        values = [m.value or 0.0 for _, m in own]
        axes.barh([p for p, _ in own], values, 0.9 * _BAR_IN, color=COLOURS[index % len(COLOURS)], label=name)
        for y, measurement in own:
            _finish_bar(axes, y, measurement, longest)
    axes.set_yticks(middles, [labels[case] for case in cases])
    axes.set_ylim(depth, 0)
    axes.set_xlim(0, 1.17 * longest)
    axes.set_xlabel(chart.x_label)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.8)
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.set_title(chart.title, loc="left", fontweight="bold")
    if len(chart.series) > 1:
        plot.legend(loc="outside lower center", ncols=min(len(chart.series), 3))
    return plot


def _heights(
    bars: Sequence[Bar], cases: Sequence[str], labels: dict[str, str]
) -> tuple[list[float], list[float], float]:
    """Return where each bar lies, where each case has its middle, and the whole depth; in inches from the top."""
    heights, middles, top = [0.0] * len(bars), [], _GAP_IN / 2
    for case in cases:
        own = [index for index, bar in enumerate(bars) if bar.case == case]
        room = max(len(own) * _BAR_IN, (1 + labels[case].count("\n")) * _LINE_IN)
        first = top + (room - len(own) * _BAR_IN) / 2
        for rank, index in enumerate(own):
            heights[index] = first + (rank + 0.5) * _BAR_IN
        middles.append(top + room / 2)
        top += room + _GAP_IN
    return heights, middles, top - _GAP_IN / 2


def _finish_bar(axes: Any, y: float, measurement: Measurement, longest: float) -> None:
    """Draw the interval of a bar, and its value beyond it."""
    if measurement.value is not None and measurement.low is not None and measurement.high is not None:
        axes.plot([measurement.low, measurement.high], [y, y], color=INK, linewidth=1.2)
    text_x = _end(measurement) + 0.012 * longest
    decimals = None if measurement.value is None or not interval(measurement) else decimals_of(measurement.value)
    axes.text(text_x, y, figure(measurement.value, decimals), va="center", ha="left", fontsize=8.5)


def _end(measurement: Measurement) -> float:
    """Return how far to the right a bar and its interval reach."""
    return max(measurement.value or 0.0, measurement.high or 0.0)


def draw_shares(title: str, rows: Sequence[tuple[str, dict[str, float]]]) -> Any:
    """Return the figure of one stacked bar a row: the percent of each part."""
    names = _order(name for _, shares in rows for name in shares)
    labels = [textwrap.fill(label, _LABEL_WIDTH - 8) for label, _ in rows]
    room = max(0.42, *(_LINE_IN * (2 + label.count("\n")) for label in labels))
    legend_rows = -(-len(names) // 5)
    plot, axes = new_axes(height_in=len(rows) * room + 0.75 + 0.22 * legend_rows)
    lefts = [0.0] * len(rows)
    for index, name in enumerate(names):
        widths = [shares.get(name, 0.0) for _, shares in rows]
        colour = COLOURS[index % len(COLOURS)]
        axes.barh(range(len(rows)), widths, 0.62, left=lefts, color=colour, label=name)
        for row, width in enumerate(widths):
            if width >= _LEAST_SHARE_SHOWN:
                ink = _ink_on(colour)
                axes.text(lefts[row] + width / 2, row, f"{width:.0f}", ha="center", va="center", color=ink)
            lefts[row] += width
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max(100.0, *lefts))
    axes.set_xlabel("share of all threads' stage time, %")
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left", fontweight="bold")
    plot.legend(loc="outside lower center", ncols=min(len(names), 5), handlelength=1.0, columnspacing=1.2)
    return plot


def _ink_on(colour: str) -> str:
    """Return black or white, whichever is read better on `colour`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 135 else "#fffffe"


def _order(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


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
            colours = dict(zip(values, COLOURS, strict=False))
            return lambda _, result: (colours[value := setting_in_words(result.settings.get(setting))], value)
    return lambda name, _: (COLOURS[0], name)


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
        axes.annotate(
            str(number),
            (point.x, point.y),
            xytext=(right, up),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )


def _clearance(x: float, y: float, taken: Sequence[tuple[float, float, tuple[float, float]]]) -> float:
    """Return how far a number here is from what is there: from 1 on it touches nothing."""
    return min(max(abs(x - its_x) / wide, abs(y - its_y) / high) for its_x, its_y, (wide, high) in taken)


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
    shown = [textwrap.fill(line, _LISTED_WIDTH, subsequent_indent="    ") for line in lines[:_MOST_LISTED]]
    return shown + ([f"and {len(lines) - _MOST_LISTED} more on the line"] if len(lines) > _MOST_LISTED else [])


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
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.grid(linewidth=0.8)
