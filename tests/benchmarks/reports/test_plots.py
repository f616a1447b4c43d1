from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from pptsn.benchmarks.measure.documents import Series
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.reports.plots import plots_of, write_plots
from pptsn.runtime.pages.canvas import png_uri
from tests.benchmarks.reports.fabricated import ODD_NAME, figure, live, report, scenario, stages, sweep

ALL = ["latency", "throughput", "live", "stages", "sweep-accuracy", "sweep-memory"]


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


def numbers(plot: Any) -> list[Any]:
    """Return the numbers beside the points of a scatter plot."""
    return [text for text in plot.axes[0].texts if text.get_text().isdigit()]


def legend_colours(plot: Any) -> dict[str, tuple[float, ...]]:
    """Return the colour that the legend gives to each name."""
    legend = plot.axes[0].get_legend() or plot.legends[0]
    return {
        text.get_text(): tuple(float(each) for each in handle.get_facecolor()[-4:])
        if not hasattr(handle, "get_offsets")
        else tuple(float(each) for each in handle.get_facecolor()[0])
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }


def test_numbers_stand_clear_of_all_points_and_of_each_other() -> None:
    # The second is so close to the first that its number has to stand at its lower right, where a lesser case is.
    close = [(10.0, 90.0), (10.05, 90.05), (10.5, 89.8), (20.0, 92.0), (20.4, 92.4), (20.7, 92.7), (40.0, 95.0)]
    cells = [
        Result(
            section="sweep",
            settings={"segments": number},
            measurements=(figure("latency_p50_ms", x), figure("top1_percent", y, unit="%", better="higher")),
        )
        for number, (x, y) in enumerate(close)
    ]
    plot = drawn("sweep-accuracy", Series("a", report(cells)))
    renderer = plot.canvas.get_renderer()
    plot.draw(renderer)
    boxes = [number.get_window_extent(renderer) for number in numbers(plot)]
    assert len(boxes) == 6
    for x, y in plot.axes[0].transData.transform(close):
        assert not any(box.contains(x, y) for box in boxes)
    assert not any(box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[index + 1 :])


def test_the_points_of_several_reports_are_told_apart_and_not_numbered() -> None:
    plot = drawn("sweep-accuracy", Series("old", report(sweep())), Series("new", report(sweep(1.2))))
    assert numbers(plot) == []
    assert not any("segments" in text for text in texts(plot))
    assert list(legend_colours(plot)) == ["old", "new"]


def test_of_several_reports_the_only_one_with_a_sweep_is_named_and_numbered() -> None:
    plot = drawn("sweep-accuracy", Series("old", report(live())), Series("new", report(sweep())))
    assert list(legend_colours(plot)) == ["new"]
    assert [text.get_text() for text in numbers(plot)][:2] == ["1", "2"]


def test_a_report_keeps_its_colour_where_another_lacks_a_section() -> None:
    series = [
        Series("a", report(live())),
        Series("b", report([*live(), *sweep()])),
        Series("c", report([*live(), *sweep()])),
    ]
    colours = legend_colours(drawn("live", *series))
    assert len(set(colours.values())) == 3
    for name, present in (("sweep-accuracy", "bc"), ("sweep-memory", "bc")):
        found = legend_colours(drawn(name, *series))
        assert found == {each: pytest.approx(colours[each]) for each in present}


def test_a_percentile_keeps_its_colour_where_another_is_not_known() -> None:
    both = [scenario("offline", figure("latency_p50_ms", 1.0), figure("latency_p99_ms", 2.0))]
    lone = [scenario("offline", figure("latency_p99_ms", 2.0)), scenario("server", figure("latency_p99_ms", 2.0))]
    one, other = (legend_colours(drawn("latency", Series("a", report(found)))) for found in (both, lone))
    assert list(other) == ["p99"]
    assert one["p99"] == other["p99"]


def stage_rows(*series: Series) -> list[str]:
    return [label.get_text() for label in drawn("stages", *series).axes[0].get_yticklabels()]


def test_rows_of_stages_can_be_told_apart() -> None:
    two = Series("b", report([stages("x.avi"), stages("y.avi")]))
    assert stage_rows(Series("a", report(live())), two) == ["x.avi, b", "y.avi, b"]
    assert stage_rows(Series("a", report([stages("x.avi")])), two) == ["x.avi, a", "x.avi, b", "y.avi, b"]
    assert stage_rows(Series("a", report([stages("x.avi")])), Series("b", report([stages("x.avi")]))) == ["a", "b"]


def test_shares_of_stages_are_named_as_what_they_are() -> None:
    assert "share of all threads' stage time, %" in texts(drawn("stages", Series("a", report([stages("x.avi")]))))


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


def test_odd_names_are_drawn_as_they_are() -> None:
    cases = [scenario(name, figure("latency_p50_ms", 1.0), model=ODD_NAME) for name in ("$\\nonsense$", "b")]
    plot = drawn("latency", Series("a", report(cases)))
    assert "$\\nonsense$" in texts(plot)


def test_plots_are_written_as_pictures(tmp_path: Path) -> None:
    written = write_plots([Series("a", report([stages("a.avi")]))], tmp_path / "plots")
    assert [path.name for path in written] == ["stages.png"]
    picture = cv2.imread(str(written[0]))
    assert picture.shape[1] == 1024
    assert (picture[0, 0] == 255).all()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["stages.png"]


def test_a_plot_of_the_same_figures_is_the_same_picture() -> None:
    first, second = (png_uri(drawn("stages", Series("a", report([stages("a.avi")])))) for _ in range(2))
    assert first == second
