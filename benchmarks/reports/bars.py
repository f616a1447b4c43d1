"""Bars: one figure of many cases, and the shares of a whole."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pptsn.benchmarks.measure.results import Measurement
from pptsn.benchmarks.reports.canvas import COLOURS, INK, group_thousands, new_axes
from pptsn.benchmarks.reports.wording import decimals_of, figure, interval

_LABEL_WIDTH = 30
_BAR_IN, _LINE_IN, _GAP_IN, _AROUND_IN = 0.2, 0.16, 0.14, 0.9
# A share below this has no room for its number.
_LEAST_SHARE_TOLD = 6.0


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
    group_thousands(axes.xaxis)
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
            if width >= _LEAST_SHARE_TOLD:
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
