"""What each section of a report shows, as tables of text that terminal, Markdown and HTML share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pptsn.benchmarks.measure.results import SECTIONS, Measurement, Report, Result, Setting
from pptsn.benchmarks.reports.wording import (
    case_in_words,
    decimals_of,
    figure,
    heading_of,
    interval,
    name_in_words,
    setting_heading,
    setting_in_words,
)

TITLES = {
    "scenario": "Scenarios",
    "live": "Live streams",
    "stages": "Where the time goes",
    "sweep": "Accuracy, speed and memory",
    "gains": "What each gain is worth",
    "targets": "Targets",
    "device": "Trials on a device",
}
EXPLANATIONS = {
    "scenario": "As MLPerf defines them: SingleStream sends one query after the other, MultiStream several at "
    "once, Server at random moments under a bound on latency, Offline all at once.",
    "live": "The most cameras whose predictions still come in time.",
    "stages": "What each stage takes of a clip's way from the file to the answer.",
    "sweep": "One line a combination of backend, precision, views, segments and batch.",
    "gains": "The plain way to deploy the model, and what each switch changes.",
    "targets": "What was aimed at, and what was reached.",
    "device": "What engines do on this device, by themselves and in the product.",
}
# `resize_p90_ms` is one figure of the stage `resize`: such names make a table with a row a stage.
_PART = re.compile(r"(?P<part>.+?)_(?P<figure>p\d+_ms|ms_per_[a-z]+|share_percent)")
# A case with more figures than this has them below each other.
_MAX_COLUMNS = 8


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and the interval of a figure, where there is one."""

    text: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.interval})" if self.interval else self.text


@dataclass(frozen=True)
class Column:
    """The heading of a column, and whether it holds figures, which are aligned to the right."""

    title: str
    is_figure: bool


@dataclass(frozen=True)
class Table:
    """A table; `caption` may be empty."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class SectionView:
    """All that a report shows of one section.

    shared: the settings that all its cases have, in words.  sentences, notes, failures: of its cases, in order.
    """

    name: str
    title: str
    explanation: str
    shared: str
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]


def section_views(report: Report) -> tuple[SectionView, ...]:
    """Return what there is to show of each section that has results, in the order of SECTIONS."""
    return tuple(_view(name, found) for name in SECTIONS if (found := report.of(name)))


def _view(name: str, results: Sequence[Result]) -> SectionView:
    shared = shared_settings(results)
    whole = [result for result in results if result.measurements]
    return SectionView(
        name=name,
        title=TITLES[name],
        explanation=EXPLANATIONS[name],
        shared=case_in_words(Result(section=name, settings=shared)) if shared else "",
        tables=tuple(table for group in _alike(whole) for table in _tables(group, shared)),
        sentences=tuple(dict.fromkeys(result.sentence for result in results if result.sentence)),
        notes=tuple(notes_of(results, shared)),
        failures=tuple(
            f"{case_in_words(result, shared) or name}: {result.error}" for result in results if result.error
        ),
    )


def shared_settings(results: Sequence[Result]) -> dict[str, Setting]:
    """Return the settings in which all of `results` agree; none for a single result."""
    if len(results) < 2:
        return {}
    first, *others = (result.settings for result in results)
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }


def _alike(results: Iterable[Result]) -> list[list[Result]]:
    """Return `results` in groups that have the same settings and begin with the same figure."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault((*result.settings, result.measurements[0].name), []).append(result)
    return list(groups.values())


def _tables(group: Sequence[Result], shared: Mapping[str, Setting]) -> Iterator[Table]:
    parted = len(set(_parts(group[0]))) > 1
    if not parted and (len(group) > 1 or len(group[0].measurements) <= _MAX_COLUMNS):
        yield _wide(group, shared)
        return
    for result in group:
        caption = case_in_words(result, shared)
        if parted:
            yield _by_part(result, caption)
            rest = [m for m in result.measurements if not _PART.fullmatch(m.name)]
        else:
            rest = list(result.measurements)
        if rest:
            yield _long(rest, "" if parted else caption)


def _wide(group: Sequence[Result], shared: Mapping[str, Setting]) -> Table:
    """A row a case, a column a figure."""
    names = [name for name in group[0].settings if name not in shared]
    headings = {m.name: heading_of(m) for result in group for m in result.measurements}
    columns = [
        *(Column(setting_heading(name), all(_is_number(r.settings[name]) for r in group)) for name in names),
        *(Column(heading, True) for heading in headings.values()),
    ]
    rows = []
    for result in group:
        found = {m.name: _cell(m) for m in result.measurements}
        case = [Cell(setting_in_words(result.settings[name])) for name in names]
        rows.append((*case, *(found.get(name, Cell("")) for name in headings)))
    return Table(tuple(columns), tuple(rows))


def _is_number(value: Setting) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _parts(result: Result) -> list[str]:
    matches = (_PART.fullmatch(measurement.name) for measurement in result.measurements)
    return [match["part"] for match in matches if match]


def _by_part(result: Result, caption: str) -> Table:
    """A row a part (a stage), a column each of its figures."""
    found: dict[str, dict[str, Measurement]] = {}
    headings: dict[str, str] = {}
    for measurement in result.measurements:
        if match := _PART.fullmatch(measurement.name):
            name, unit = match["figure"], measurement.unit
            words = name.replace("_", " ")
            found.setdefault(match["part"], {})[name] = measurement
            headings.setdefault(name, words if name.startswith("ms_per_") else f"{name_in_words(name)}, {unit}")
    rows = [
        (
            Cell(name_in_words(part)),
            *(_cell(figures[name]) if name in figures else Cell("") for name in headings),
        )
        for part, figures in found.items()
    ]
    columns = (Column("stage", False), *(Column(heading, True) for heading in headings.values()))
    return Table(columns, tuple(rows), caption)


def _long(measurements: Iterable[Measurement], caption: str) -> Table:
    """A row a figure."""
    columns = (Column("figure", False), Column("value", True), Column("repeats", True), Column("samples", True))
    rows = tuple(
        (Cell(heading_of(m)), _cell(m), Cell(str(len(m.repeats) or "")), Cell(str(m.samples or "")))
        for m in measurements
    )
    return Table(columns, rows, caption)


def _cell(measurement: Measurement) -> Cell:
    spread = interval(measurement)
    if measurement.value is None or not spread:
        return Cell(figure(measurement.value))
    return Cell(figure(measurement.value, decimals_of(measurement.value)), spread)


_NAMED_CASES = 3


def notes_of(results: Sequence[Result], shared: Mapping[str, Setting]) -> Iterator[str]:
    """Yield the notes on figures that are not known, and on single ones: once each, with all that they are on.

    A note is followed by the cases that it is on, unless these are many or all.
    """
    names: dict[tuple[str, ...], dict[str, None]] = {}
    for result in results:
        for measurement in result.measurements:
            if measurement.note:
                where = (measurement.note, case_in_words(result, shared))
                names.setdefault(where, {})[name_in_words(measurement.name)] = None
    lines: dict[str, list[str]] = {}
    for (note, case), found in names.items():
        lines.setdefault(f"{', '.join(found)}: {note}", []).append(case)
    measured = sum(bool(result.measurements) for result in results)
    for line, cases in lines.items():
        named = "; ".join(filter(None, cases))
        yield f"{line} ({named})" if named and len(cases) <= _NAMED_CASES and len(cases) < measured else line
