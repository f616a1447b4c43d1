"""The few figures that a reader wants first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.reports.tables import shared_settings
from benchmarks.reports.wording import case_in_words, figure, interval, name_in_words
from benchmarks.results import Report, Result

_MOST = 8
_SECTIONS = ("scenario", "live")


@dataclass(frozen=True)
class Headline:
    """One figure, large: its value and unit, what it is, and its interval or nothing."""

    value: str
    unit: str
    what: str
    interval: str


def headlines(report: Report) -> list[Headline]:
    """Return the first figure that counts of each scenario and live search, and how many targets were met."""
    return list(_headlines(report))[:_MOST]


def _headlines(report: Report) -> Iterator[Headline]:
    for section in _SECTIONS:
        results = report.of(section)
        shared = shared_settings(results)
        for result in results:
            if found := _headline(result, case_in_words(result, shared) or section):
                yield found
    targets = [result for result in report.of("targets") if "met" in result.facts]
    if targets:
        met = sum(bool(result.facts["met"]) for result in targets)
        yield Headline(f"{met} of {len(targets)}", "", "targets met", "")


def _headline(result: Result, case: str) -> Headline | None:
    for measurement in result.measurements:
        if measurement.better and measurement.value is not None:
            words = name_in_words(measurement.name)
            what = case if words == measurement.unit.split("/")[0] else f"{case}: {words}"
            return Headline(figure(measurement.value), measurement.unit, what, interval(measurement))
    return None
