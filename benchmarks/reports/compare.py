"""Two reports, case by case: what got better, what got worse, and what is not there any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pptsn.benchmarks.measure.results import SECTIONS, Measurement, Report, Result
from pptsn.benchmarks.reports.judging import (
    FAILED,
    IMPROVEMENT,
    MISSING,
    NEW,
    REGRESSION,
    UNCHANGED,
    Bounds,
    Verdict,
    judge,
)
from pptsn.benchmarks.reports.tables import TITLES, Cell, Column, Table
from pptsn.benchmarks.reports.wording import (
    NOT_KNOWN,
    case_in_words,
    differences,
    name_in_words,
    slowness_between,
    with_unit,
)
from pptsn.runtime.base.errors import UsageError

# Up to this the probes of one machine differ from run to run: figures are judged as they are.
_ALIKE = 0.10
# The probe runs on one core: it says nothing of how fast several are together.
_NOT_PROBED = ("cores", "core quota")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `new` is against `base`, both names of files.

    verdicts: in the order of the base's sections; figures that are neither better lower nor higher have none.
    slowness: how much more time the new machine's processor takes for the same work, by the probe of the noise
    watch; None where it is not known.  is_adjusted: whether figures were judged as if the machines were equally
    fast.  notes: what the reader must know of it.
    """

    base: str
    new: str
    verdicts: tuple[Verdict, ...]
    slowness: float | None
    is_adjusted: bool
    notes: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Verdict, ...]:
        """All that speaks against the new report: worse figures, and cases that failed or are missing."""
        return tuple(verdict for verdict in self.verdicts if verdict.is_regression)

    def of(self, *outcomes: str) -> tuple[Verdict, ...]:
        """Return the verdicts with one of `outcomes`."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome in outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of its JSON object."""
        return {
            **self.summary(),
            "notes": list(self.notes),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }

    def summary(self) -> dict[str, Any]:
        """Return the counts, and the regressions in words."""
        return {
            "base": self.base,
            "new": self.new,
            "slowness": self.slowness,
            "adjusted": self.is_adjusted,
            "regressions": [verdict.sentence for verdict in self.regressions],
            "improvements": len(self.of(IMPROVEMENT)),
            "unchanged": len(self.of(UNCHANGED)),
            "new_cases": len(self.of(NEW)),
        }


def compare(
    base: Report, new: Report, *, names: tuple[str, str], bounds: Bounds | None = None, raw: bool = False
) -> Comparison:
    """Return what `new` is against `base`; `names` are those of the two files, in this order.

    A figure is worse or better where it changed by more than the bound and the intervals of the two, where both
    have one, do not overlap.  It is judged as it was measured where the processors are the same and equally fast
    within 10 %; else, unless `raw`, as it would be if they were.  With another number of cores, or another quota,
    nobody can tell, and it is judged as it was measured.

    Raises UsageError where the two have no case in common.
    """
    before, after = _by_key(base), _by_key(new)
    if not any(key in after or _failure_of(result, after) for key, result in before.items()):
        remedy = "compare reports of the same models and settings"
        raise UsageError(names[1], f"has no case in common with {names[0]}", remedy)
    slowness = slowness_between(base, new)
    differs = differences(base.machine, new.machine)
    alike = "cpu" not in differs and 1 / (1 + _ALIKE) <= (slowness or 1.0) <= 1 + _ALIKE
    is_adjusted = not (slowness is None or alike or raw or any(what in differs for what in _NOT_PROBED))
    scale = slowness if slowness is not None and is_adjusted else 1.0
    return Comparison(
        base=names[0],
        new=names[1],
        verdicts=tuple(_verdicts(before, after, scale, bounds or Bounds())),
        slowness=slowness,
        is_adjusted=is_adjusted,
        notes=tuple(_notes((base, new), names, slowness, is_adjusted=is_adjusted, differs=differs)),
    )


def _by_key(report: Report) -> dict[str, Result]:
    """Return the results by their keys, section by section; a key that comes again is numbered."""
    found: dict[str, Result] = {}
    for section in SECTIONS:
        for result in report.of(section):
            key, count = result.key, 1
            while key in found:
                count += 1
                key = f"{result.key} ({count})"
            found[key] = result
    return found


def _verdicts(
    before: dict[str, Result], after: dict[str, Result], slowness: float, bounds: Bounds
) -> Iterator[Verdict]:
    for key, base in before.items():
        if not _is_measured(base):
            if key in after and _is_measured(after[key]):
                yield _whole(after[key], NEW)
            continue
        now = after.get(key) or _failure_of(base, after)
        if now is None:
            yield _whole(base, MISSING)
        elif now.error:
            yield _whole(base, FAILED, now.error)
        else:
            yield from _figures(base, now, slowness, bounds)
    for key, new in after.items():
        if key not in before and _is_measured(new):
            yield _whole(new, NEW)


def _failure_of(base: Result, after: Mapping[str, Result]) -> Result | None:
    """Return the failed case that is `base`, or the failed part of the suite that it would have come from.

    A case that never opened does not know all of its settings, and a part knows its own name alone.
    """
    failed = [result for result in after.values() if result.error and result.section == base.section]
    for result in failed:
        known = {name: value for name, value in result.settings.items() if value not in (None, "auto")}
        if known.items() <= dict(base.settings).items():
            return result
    # The part `scenarios` has the section `scenario`; of the others both names are the same.
    names = (base.section, f"{base.section}s")
    return next((result for result in failed if result.settings in [{"part": name} for name in names]), None)


def _is_measured(result: Result) -> bool:
    return not result.error and any(measurement.value is not None for measurement in result.measurements)


def _whole(result: Result, outcome: str, reason: str = "") -> Verdict:
    """Return the verdict on a case as a whole."""
    case = case_in_words(result)
    return Verdict(section=result.section, case=case, name="", unit="", better="", outcome=outcome, reason=reason)


def _figures(base: Result, new: Result, slowness: float, bounds: Bounds) -> Iterator[Verdict]:
    case = case_in_words(new)
    found = {measurement.name: measurement for measurement in new.measurements}
    for before in base.measurements:
        after = found.get(before.name) or Measurement(
            name=before.name, unit=before.unit, better=before.better, value=None
        )
        if before.better and after.better and not (before.value is None and after.value is None):
            yield judge(before, after, new, case, slowness=slowness, bounds=bounds)


def _notes(
    reports: Sequence[Report],
    names: tuple[str, str],
    slowness: float | None,
    *,
    is_adjusted: bool,
    differs: dict[str, tuple[str, str]],
) -> Iterator[str]:
    for what, (before, after) in differs.items():
        yield f"the machines differ in {what}: {before or 'none'} before, {after or 'none'} now"
    if any(what in differs for what in _NOT_PROBED):
        yield (
            "figures were judged as they were measured, on unequal machines: how fast several cores are together "
            "cannot be told from the probe, which runs on one"
        )
    elif slowness is None:
        yield "a report has no probe of its machine's speed: figures were judged as they were measured"
    elif is_adjusted:
        yield (
            f"THE MACHINE OF {names[1]} WAS {_slower(slowness)} by the same short work: times and rates of the "
            "CPU were judged as on a machine as fast as the first (--raw judges them as they were measured)"
        )
    elif abs(slowness - 1) > _ALIKE:
        slower = _slower(slowness).lower()
        yield f"the machine of {names[1]} was {slower}; figures were judged as they were measured"
    for name, report in zip(names, reports, strict=True):
        for warning in report.noise.get("warnings") or ():
            yield f"{name}: {warning}"


def _slower(slowness: float) -> str:
    if slowness >= 1:
        return f"{100 * (slowness - 1):.0f} % SLOWER"
    return f"{100 * (1 / slowness - 1):.0f} % FASTER"


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
        Cell(NOT_KNOWN if verdict.change_percent is None else f"{verdict.change_percent:+.1f} %"),
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
