"""The plots of one report, or of several with one series each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pptsn.benchmarks.measure.documents import Series
from pptsn.benchmarks.measure.results import Result, Setting
from pptsn.benchmarks.reports.charts import Bar, BarChart, ScatterChart, draw_bars, draw_scatter, draw_shares
from pptsn.benchmarks.reports.tables import shared_settings
from pptsn.benchmarks.reports.wording import case_in_words, heading_of, name_in_words
from pptsn.runtime.pages.canvas import plot_style, write_png

_PERCENTILES = ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms")
_ACCURACIES = ("top1_percent", "agreement_percent")
_RATES = ("views_per_s", "crops_per_s", "frames_per_s", "clips_per_s")
_SHARE = "_share_percent"

Case: TypeAlias = tuple[Series, Result]


@dataclass(frozen=True)
class Plot:
    """A plot.  section: beside whose tables it stands.  make: draws it, in the style of `canvas.plot_style`."""

    name: str
    section: str
    title: str
    caption: str
    make: Callable[[], Any]

    def draw(self) -> Any:
        """Return its Matplotlib figure.  Raises MissingDependencyError."""
        with plot_style():
            return self.make()


def plots_of(series: Sequence[Series]) -> list[Plot]:
    """Return the plots for which the reports have figures, in the order of the sections."""
    candidates = (
        _latency(series),
        _throughput(series),
        _live(series),
        _stages(series),
        _scatter(series, "accuracy", "Accuracy against latency", x="latency_p50_ms", y=_ACCURACIES),
        _scatter(series, "memory", "Throughput against memory", x="peak_memory_mb", y=_RATES),
    )
    return [plot for plot in candidates if plot is not None]


def write_plots(series: Sequence[Series], folder: str | Path) -> list[Path]:
    """Write each plot to `folder` as a PNG file by its name; return the files.

    Raises MissingDependencyError, and InputError where they cannot be written.
    """
    written = []
    for plot in plots_of(series):
        path = Path(folder) / f"{plot.name}.png"
        write_png(plot.draw(), path)
        written.append(path)
    return written


def _cases(series: Sequence[Series], section: str, *names: str) -> tuple[list[Case], dict[str, Setting]]:
    """Return the cases of `section` that have one of the figures `names`, and the settings that all share."""
    found = [(s, r) for s in series for r in s.report.of(section) if any(r.value(n) is not None for n in names)]
    return found, shared_settings([result for _, result in found])


def _latency(series: Sequence[Series]) -> Plot | None:
    """Percentiles side by side for one report; for several, the percentile of each case that counts."""
    cases, shared = _cases(series, "scenario", *_PERCENTILES)
    words = {name: name_in_words(name).removeprefix("latency ") for name in _PERCENTILES}
    bars = []
    for one, result in cases:
        figures = {m.name: m for m in result.measurements if m.name in _PERCENTILES}
        if len(series) == 1:
            bars += [Bar(_label(result, shared), words[n], figures[n]) for n in _PERCENTILES if n in figures]
        else:
            figure = next(m for m in figures.values() if m.value is not None)
            bars.append(Bar(f"{_label(result, shared)}, {words[figure.name]}", one.name, figure))
    names = _names(series) if len(series) > 1 else tuple(words.values())
    return _bars_plot(
        "latency", "scenario", "Latency by scenario", "Milliseconds; less is better.", bars, "latency, ms", names
    )


def _names(series: Sequence[Series]) -> tuple[str, ...]:
    return tuple(one.name for one in series)


def _throughput(series: Sequence[Series]) -> Plot | None:
    """The rate that most cases have."""
    results = [result for one in series for result in one.report.of("scenario")]
    figures = [figure for result in results for figure in result.measurements if figure.value is not None]
    names = [figure.name for figure in figures if figure.unit.endswith("/s")]
    if not names:
        return None
    name = max(dict.fromkeys(names), key=names.count)
    bars = _bars(series, "scenario", name)
    heading = heading_of(bars[0].measurement)
    return _bars_plot(
        "throughput", "scenario", "Throughput by scenario", "More is better.", bars, heading, _names(series)
    )


def _live(series: Sequence[Series]) -> Plot | None:
    """The most streams of each case."""
    caption = "The most streams that hold the bound on latency."
    bars = _bars(series, "live", "streams")
    return _bars_plot("live", "live", "Live streams", caption, bars, "streams", _names(series))


def _bars(series: Sequence[Series], section: str, name: str) -> list[Bar]:
    cases, shared = _cases(series, section, name)
    return [Bar(_label(result, shared), one.name, result[name]) for one, result in cases]


def _bars_plot(
    name: str, section: str, title: str, caption: str, bars: list[Bar], x_label: str, names: tuple[str, ...]
) -> Plot | None:
    if len(bars) < 2:  # a single bar says no more than its number
        return None
    return Plot(name, section, title, caption, partial(draw_bars, BarChart(title, x_label, tuple(bars), names)))


def _stages(series: Sequence[Series]) -> Plot | None:
    cases = [(s, r) for s in series for r in s.report.of("stages") if _shares(r)]
    if not cases:
        return None
    shared = shared_settings([result for _, result in cases])
    names = [one.name for one, _ in cases]
    # Where no report has a second case, its name alone tells the rows apart.
    are_named = len(names) > len(set(names))
    rows = []
    for one, result in cases:
        label = _label(result, shared) if are_named else ""
        label = ", ".join(filter(None, (label, one.name if len(series) > 1 else "")))
        rows.append((label, _shares(result)))
    title = "Where the time goes"
    caption = "Share of each stage in the time that all stages take, on all threads together."
    return Plot("stages", "stages", title, caption, partial(draw_shares, title, tuple(rows)))


def _shares(result: Result) -> dict[str, float]:
    return {
        name_in_words(m.name.removesuffix(_SHARE)): m.value
        for m in result.measurements
        if m.name.endswith(_SHARE) and m.value
    }


def _scatter(series: Sequence[Series], name: str, title: str, *, x: str, y: tuple[str, ...]) -> Plot | None:
    """`y` over `x`: of the names given, the first that a case has beside `x`."""
    for y_name in y:
        sets = [(s.name, tuple(r for r in s.report.of("sweep") if _has(r, x, y_name))) for s in series]
        if any(found for _, found in sets):
            chart = ScatterChart(title, x, y_name, tuple(sets))
            caption = "The line joins the cases that no other case of the same report beats in both."
            return Plot(f"sweep-{name}", "sweep", title, caption, partial(draw_scatter, chart))
    return None


def _label(result: Result, shared: dict[str, Setting]) -> str:
    return case_in_words(result, shared) or case_in_words(result) or result.section


def _has(result: Result, *names: str) -> bool:
    return all(result.value(name) is not None for name in names)
