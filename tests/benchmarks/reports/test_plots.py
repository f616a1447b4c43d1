from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks.reports.canvas import inline_svg
from benchmarks.reports.plots import plots_of, write_plots
from benchmarks.reports.series import Series
from benchmarks.results import Measurement, Result
from tests.benchmarks.reports.fabricated import ODD_NAME, figure, gains, live, report, scenario, stages, sweep

ALL = ["latency", "throughput", "live", "stages", "sweep-accuracy", "sweep-memory", "gains"]


def texts(plot: Any) -> list[str]:
    """Return what is written in a figure."""
    from matplotlib.text import Text

    return [found.get_text() for found in plot.findobj(Text) if found.get_text()]


def drawn(name: str, *series: Series) -> Any:
    (plot,) = [plot for plot in plots_of(series) if plot.name == name]
    return plot.draw()


def overlapping(plot: Any) -> list[tuple[str, str]]:
    """Return the pairs of texts of a figure that lie on each other."""
    from matplotlib.text import Text

    renderer = plot.canvas.get_renderer()
    plot.draw(renderer)
    boxes = [
        (found.get_text(), found.get_window_extent(renderer))
        for found in plot.findobj(Text)
        if found.get_text().strip() and found.get_visible()
    ]
    inside = [(text, box) for text, box in boxes if plot.bbox.contains(*box.p0) and plot.bbox.contains(*box.p1)]
    return [
        (first, second)
        for index, (first, box) in enumerate(inside)
        for second, other in inside[index + 1 :]
        if box.overlaps(other) and first != second
    ]


def test_a_report_of_all_sections_has_all_plots_with_more_than_one_bar() -> None:
    once = Series("a", report())
    assert [plot.name for plot in plots_of([once])] == [name for name in ALL if name not in ("throughput", "live")]
    assert [plot.name for plot in plots_of([once, Series("b", report())])] == ALL


def test_a_report_without_figures_has_no_plots() -> None:
    assert plots_of([Series("a", report([]))]) == []
    assert (
        plots_of([Series("a", report([scenario("offline", error="no"), Result(section="sweep", settings={})]))])
        == []
    )


@pytest.mark.parametrize("name", ALL)
def test_no_text_lies_on_another(name: str) -> None:
    series = [Series("before", report()), Series("after", report())]
    assert overlapping(drawn(name, *series)) == []


def test_a_scenarios_percentiles_stand_in_order_with_their_values() -> None:
    found = texts(drawn("latency", Series("a", report())))
    assert {"single-stream", "p50", "p90", "p99", "36.0", "43.2", "57.6", "latency, ms"} <= set(found)
    assert found.index("p50") < found.index("p90") < found.index("p99")


def test_several_reports_have_a_series_each() -> None:
    found = texts(drawn("live", Series("old", report(live())), Series("new", report(live()))))
    assert {"old", "new", "streams"} <= set(found)


def test_shares_of_stages_are_told_where_there_is_room() -> None:
    found = texts(drawn("stages", Series("a", report([stages("a.avi", slower={"decode": 14.0})]))))
    assert {"35", "64", "decode", "colour conversion"} <= set(found)
    assert not {"1", "2", "3", "4", "5"} & set(found)


def test_the_front_is_numbered_and_listed_with_units() -> None:
    found = texts(drawn("sweep-accuracy", Series("a", report(sweep()))))
    assert {"1", "11", "fp32", "int8"} <= set(found)
    (listed,) = [text for text in found if "\n" in text]
    assert listed.splitlines()[0].endswith("views center, segments 3  (37.2 ms, 65.3 %)")
    assert len(listed.splitlines()) == 11


def test_latencies_have_a_logarithmic_axis_with_plain_numbers() -> None:
    axes = drawn("sweep-accuracy", Series("a", report(sweep()))).axes[0]
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    ticks = [
        tick.get_text()
        for tick, at in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if low <= at <= high
    ]
    assert ticks == ["50", "100", "200", "500", "1,000", "2,000"]


def test_a_single_cell_makes_a_plot() -> None:
    drawn("sweep-accuracy", Series("a", report(sweep()[:1]))).canvas.draw()


def test_agreement_stands_in_for_accuracy() -> None:
    cells = [
        Result(
            section="sweep",
            settings={"model": "a.onnx", "segments": segments},
            measurements=(
                Measurement(name="agreement_percent", unit="%", better="higher", value=90.0 + segments),
                figure("latency_p50_ms", 10.0 * segments),
            ),
        )
        for segments in (1, 2)
    ]
    assert "agreement, % (higher is better)" in texts(drawn("sweep-accuracy", Series("a", report(cells))))


def test_no_accuracy_beyond_all_is_shown() -> None:
    perfect = replace(figure("top1_percent", 100.0, unit="%", better="higher"), low=None, high=None)
    cells = [
        Result(
            section="sweep", settings={"segments": n}, measurements=(perfect, figure("latency_p50_ms", float(n)))
        )
        for n in (1, 2)
    ]
    axes = drawn("sweep-accuracy", Series("a", report(cells))).axes[0]
    assert [tick for tick in axes.get_yticks() if 100 < tick <= axes.get_ylim()[1]] == []
    assert axes.get_ylim()[1] > 100


def test_a_rung_of_a_ladder_is_called_by_its_name() -> None:
    assert "windows, per-frame reuse" in texts(drawn("gains", Series("a", report(gains()))))


def test_odd_names_are_drawn_as_they_are() -> None:
    cases = [scenario(name, figure("latency_p50_ms", 1.0), model=ODD_NAME) for name in ("$\\nonsense$", "b")]
    plot = drawn("latency", Series("a", report(cases)))
    assert "$\\nonsense$" in texts(plot)
    svg = inline_svg(plot, "p", 'say "<hello>"')
    assert 'aria-label="say &quot;&lt;hello&gt;&quot;"' in svg


def test_plots_are_written_as_pictures(tmp_path: Path) -> None:
    written = write_plots([Series("a", report([stages("a.avi")]))], tmp_path / "plots")
    assert [path.name for path in written] == ["stages.png"]
    picture = cv2.imread(str(written[0]))
    assert picture.shape[1] == 1024
    assert (picture[0, 0] == 255).all()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["stages.png"]


def test_a_plot_of_the_same_figures_is_the_same_text() -> None:
    first, second = (
        inline_svg(drawn("stages", Series("a", report([stages("a.avi")]))), "p", "d") for _ in range(2)
    )
    assert re.sub(r"\s", "", first) == re.sub(r"\s", "", second)
