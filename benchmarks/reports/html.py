"""One self-contained page: no request to anywhere, readable from a disk, in light and dark; by Jinja2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.benchmarks.measure.documents import Series
from pptsn.benchmarks.measure.results import Report, Result, Setting
from pptsn.benchmarks.reports.compare import Comparison, changed_table, counts, unchanged_table
from pptsn.benchmarks.reports.plots import plots_of
from pptsn.benchmarks.reports.tables import section_views, shared_settings
from pptsn.benchmarks.reports.wording import (
    case_in_words,
    figure,
    interval,
    machine_facts_in_words,
    machine_line,
    name_in_words,
    run_line,
    with_unit,
)
from pptsn.benchmarks.sweep.pareto import accuracy_name, recommended
from pptsn.runtime.pages.canvas import png_uri
from pptsn.runtime.pages.html import rendered

_TEMPLATE = Path(__file__).with_name("page.html")


def report_html(series: Sequence[Series], comparisons: Sequence[Comparison] = ()) -> str:
    """Return the page of one report, or of several with a series each in the plots, and their comparisons.

    Raises MissingDependencyError.
    """
    pictures = [
        {"section": plot.section, "caption": plot.caption, "title": plot.title, "uri": png_uri(plot.draw())}
        for plot in plots_of(series)
    ]
    return rendered(
        _TEMPLATE,
        reports=[_report(one) for one in series],
        pictures=pictures,
        comparisons=[
            {
                "line": counts(one),
                "notes": one.notes,
                "changed": changed_table(one),
                "unchanged": unchanged_table(one),
            }
            for one in comparisons
        ],
    )


def _report(series: Series) -> dict[str, Any]:
    report = series.report
    return {
        "name": series.name,
        "machine_line": machine_line(report.machine),
        "run_line": run_line(report),
        "warnings": [str(warning) for warning in report.noise.get("warnings") or ()],
        "headlines": headlines(report),
        "sections": section_views(report),
        "machine": machine_facts_in_words(report.machine),
        "noise": machine_facts_in_words({k: v for k, v in report.noise.items() if k != "warnings"}),
    }


_MOST = 8
# LoadGen measures the same cases again to check ours: it adds no figure that is new.
_SECOND_DRIVER = "loadgen"
# What names a case that has no others to be told from; the table has the rest.
_NAMING = ("scenario", "model", "source", "bound_ms", "latency_bound_ms", "fps")


@dataclass(frozen=True)
class Headline:
    """One figure, large: its value and unit, what it is, and its interval or nothing."""

    value: str
    unit: str
    what: str
    interval: str


def headlines(report: Report) -> list[Headline]:
    """Return up to eight figures, in the order of the sections.

    These are the figure that counts of each scenario and of each live search, the share of the stage that is the
    bottleneck, and the cell of the sweep to take.  Where there are too many, each section keeps its first.
    """
    scenarios = _without_second_driver(report.of("scenario"))
    groups = [
        list(_figures_that_count(scenarios, "scenario")),
        list(_figures_that_count(report.of("live"), "live streams")),
        list(_bottlenecks(report.of("stages"))),
        list(_recommendation(report.of("sweep"))),
    ]
    return list(_with_reserved_cards([group for group in groups if group]))


def _with_reserved_cards(groups: Sequence[Sequence[Headline]]) -> Iterator[Headline]:
    """Yield the first of each group; the cards that are left go to the groups in their order."""
    left = _MOST - len(groups)
    for group in groups:
        more = min(left, len(group) - 1)
        left -= more
        yield from group[: 1 + more]


def _without_second_driver(results: Iterable[Result]) -> list[Result]:
    """Return `results` without those of the second driver where the first has figures of the same case."""
    results = list(results)
    known = [_case(result) for result in results if not _is_second(result) and not result.error]
    return [result for result in results if not _is_second(result) or _case(result) not in known]


def _is_second(result: Result) -> bool:
    return result.settings.get("driver") == _SECOND_DRIVER


def _case(result: Result) -> dict[str, Setting]:
    return {name: value for name, value in result.settings.items() if name != "driver"}


def _figures_that_count(results: Sequence[Result], otherwise: str) -> Iterator[Headline]:
    """Yield the first figure of each result that can be better or worse; none where that one is not known."""
    shared = shared_settings(results)
    for result in results:
        found = next((m for m in result.measurements if m.better), None)
        if found is None or found.value is None:
            continue
        case, words = _named(result, shared) or otherwise, name_in_words(found.name)
        what = case if words == found.unit.split("/")[0] else f"{case}: {words}"
        yield Headline(figure(found.value), found.unit, what, interval(found))


def _named(result: Result, shared: Mapping[str, Setting]) -> str:
    """Return the case in words, without the driver, of which a reader sees but one."""
    known = shared or {name: value for name, value in result.settings.items() if name not in _NAMING}
    return case_in_words(result, {**known, "driver": result.settings.get("driver")})


def _bottlenecks(results: Sequence[Result]) -> Iterator[Headline]:
    shared = shared_settings(results)
    for result in results:
        name = str(result.facts.get("bottleneck", ""))
        share = next((m for m in result.measurements if m.name == f"{name}_share_percent"), None)
        if share is not None and share.value is not None:
            case = case_in_words(result, shared) if len(results) > 1 else ""
            what = f"of all threads' stage time is {name_in_words(name)}, the bottleneck"
            yield Headline(figure(share.value), share.unit, f"{case}: {what}" if case else what, interval(share))


def _recommendation(results: Sequence[Result]) -> Iterator[Headline]:
    choice = recommended(results)
    if choice is None:
        return
    taken = choice[0]
    latency, accuracy = taken["latency_p50_ms"], taken[accuracy_name(results)]
    case = case_in_words(taken, shared_settings(results)) or str(taken.settings.get("model", "sweep"))
    at = f"{with_unit(accuracy.value, accuracy.unit)} {name_in_words(accuracy.name)}"
    what = f"sweep's choice, {case}: latency p50, at {at}"
    yield Headline(figure(latency.value), latency.unit, what, interval(latency))
