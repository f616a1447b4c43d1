"""The notes on figures, below the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pptsn.benchmarks.measure.results import Result, Setting
from pptsn.benchmarks.reports.wording import case_in_words, name_in_words

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
