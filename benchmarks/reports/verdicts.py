"""A comparison as a table and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from pptsn.benchmarks.reports.compare import Comparison
from pptsn.benchmarks.reports.judging import (
    FAILED,
    IMPROVEMENT,
    MISSING,
    NEW,
    REGRESSION,
    UNCHANGED,
    Verdict,
    with_change,
)
from pptsn.benchmarks.reports.tables import TITLES, Cell, Column, Table
from pptsn.benchmarks.reports.wording import name_in_words, with_unit

_ORDER = (FAILED, MISSING, REGRESSION, IMPROVEMENT, NEW)
_WORDS = {
    FAILED: "FAILED",
    MISSING: "MISSING",
    REGRESSION: "WORSE",
    IMPROVEMENT: "better",
    NEW: "new",
    UNCHANGED: "as before",
}


def changed_table(comparison: Comparison) -> Table | None:
    """Return a row for each figure that changed, what needs attention first; None where nothing changed."""
    return _table(comparison, _ORDER)


def unchanged_table(comparison: Comparison) -> Table | None:
    """Return a row for each figure that stayed, or None."""
    return _table(comparison, (UNCHANGED,))


def _table(comparison: Comparison, outcomes: Sequence[str]) -> Table | None:
    verdicts = [verdict for outcome in outcomes for verdict in comparison.of(outcome)]
    if not verdicts:
        return None
    columns = [
        Column("section", False),
        Column("case", False),
        Column("figure", False),
        Column(comparison.base, True),
        Column(comparison.new, True),
        Column("change", True),
        Column("", False),
    ]
    rows = [_row(verdict, comparison) for verdict in verdicts]
    if comparison.is_adjusted:
        columns.insert(5, Column("on the first machine", True))
    return Table(tuple(columns), tuple(rows))


def _row(verdict: Verdict, comparison: Comparison) -> tuple[Cell, ...]:
    adjusted = (Cell(with_unit(verdict.judged, verdict.unit)),) if comparison.is_adjusted else ()
    outcome = _WORDS[verdict.outcome] + (f": {verdict.reason}" if verdict.reason else "")
    return (
        Cell(TITLES[verdict.section].lower()),
        Cell(verdict.case),
        Cell(name_in_words(verdict.name)),
        Cell(with_unit(verdict.base, verdict.unit)),
        Cell(with_unit(verdict.new, verdict.unit)),
        *adjusted,
        Cell(with_change(verdict)),
        Cell(outcome),
    )


def counts(comparison: Comparison) -> str:
    """Return how many figures got worse, better, and stayed, in one line."""
    parts = (
        f"{len(comparison.regressions)} worse, failed or missing",
        f"{len(comparison.of(IMPROVEMENT))} better",
        f"{len(comparison.of(UNCHANGED))} as before",
        f"{len(comparison.of(NEW))} new",
    )
    return f"{comparison.new} against {comparison.base}: {', '.join(parts)}"


def summary_line(comparisons: Sequence[Comparison]) -> dict[str, object]:
    """Return the object that ends the command's output: the counts over all, and each comparison's."""
    return {
        "schema": "pptsn.bench.comparison",
        "version": 1,
        "regressions": sum(len(comparison.regressions) for comparison in comparisons),
        "improvements": sum(len(comparison.of(IMPROVEMENT)) for comparison in comparisons),
        "unchanged": sum(len(comparison.of(UNCHANGED)) for comparison in comparisons),
        "comparisons": [comparison.summary() for comparison in comparisons],
    }
