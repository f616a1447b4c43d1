"""Whether a figure got better or worse, and which figures depend on how fast the machine is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.reports.wording import name_in_words, with_unit

REGRESSION, IMPROVEMENT, UNCHANGED = "regression", "improvement", "unchanged"
FAILED, MISSING, NEW = "failed", "missing", "new"

# Changes of a stage below this are those of clocks and caches, whatever their percentage.
_LEAST_STAGE_CHANGE_MS = 0.02
_TIME_UNITS = ("s", "ms", "us")
_ACCURACY = ("top1_percent", "top5_percent", "agreement_percent")
# What the backend or the device of a case has in its name where a GPU computes.
_ON_GPU = ("cuda", "tensorrt")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What still counts as unchanged.

    percent: how much worse or better a figure may be, of the base's.  accuracy_points: the same for top-1, top-5
    and agreement, in percentage points: on the same clips they do not vary.
    """

    percent: float = 10.0
    accuracy_points: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one figure of one case.

    outcome: REGRESSION, IMPROVEMENT or UNCHANGED; MISSING or FAILED for what was measured before and is not now;
    NEW for what was not measured before.  base, new: the figures as they were measured.  judged: the new figure as
    it would be on the base's machine, by which the outcome was found.  change_percent: `judged` against `base`,
    None where that has no meaning.  reason: why it is missing, failed or within the spread.
    """

    section: str
    case: str
    name: str
    unit: str
    better: str
    outcome: str
    base: float | None = None
    new: float | None = None
    judged: float | None = None
    change_percent: float | None = None
    reason: str = ""

    @property
    def is_regression(self) -> bool:
        """Whether it speaks against the new report."""
        return self.outcome in (REGRESSION, MISSING, FAILED)

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        where = f"{self.section} {self.case}".strip()
        if self.outcome == FAILED:
            return f"{where}: was measured before, failed now: {self.reason}"
        if self.outcome == MISSING:
            what = f"{name_in_words(self.name)} was" if self.name else "was"
            return f"{where}: {what} measured before, is missing now" + (f": {self.reason}" if self.reason else "")
        if self.outcome == NEW:
            return f"{where}: was not measured before"
        return f"{where}: {self._subject()} {self._movement()} ({self._figures()})"

    def _subject(self) -> str:
        words = name_in_words(self.name)
        return words.removesuffix(" ms per clip") if self.section == "stages" else words

    def _movement(self) -> str:
        if self.change_percent is None:
            return "changed"
        is_more = self.change_percent > 0
        size = f"{abs(self.change_percent):.0f} %"
        if self.unit in _TIME_UNITS:
            return f"got {size} {'slower' if is_more else 'faster'}"
        if self.unit.endswith("/s"):
            return f"got {size} {'faster' if is_more else 'slower'}"
        return f"is {size} {'higher' if is_more else 'lower'}"

    def _figures(self) -> str:
        figures = f"{with_unit(self.base, self.unit)} → {with_unit(self.new, self.unit)}"
        if self.judged is not None and self.judged != self.new:
            figures += f", {with_unit(self.judged, self.unit)} on the first one's machine"
        return figures


def judge(
    base: Measurement, new: Measurement, result: Result, case: str, *, slowness: float, bounds: Bounds
) -> Verdict:
    """Return the verdict on `new` against `base`, of one case (`result` is the new one).

    slowness: how much more time the new report's processor takes for the same work; 1 judges figures as they are.
    """
    scale = _scale(new, result, slowness)
    verdict = partial(Verdict, section=result.section, case=case, name=new.name, unit=new.unit, better=new.better)
    if base.value is None:
        return verdict(outcome=NEW, new=new.value)
    if new.value is None:
        return verdict(outcome=MISSING, base=base.value, reason=new.note)
    judged = new.value * scale
    change_percent = 100 * (judged - base.value) / abs(base.value) if base.value else None
    outcome, reason = _outcome(base, new, result, scale, bounds)
    return verdict(
        outcome=outcome,
        base=base.value,
        new=new.value,
        judged=judged,
        change_percent=change_percent,
        reason=reason,
    )


def _outcome(base: Measurement, new: Measurement, result: Result, scale: float, bounds: Bounds) -> tuple[str, str]:
    """Return the outcome, and why a change past the bound does not count."""
    before, judged = base.value or 0.0, scale * (new.value or 0.0)
    in_points = new.name in _ACCURACY
    size, bound = abs(judged - before), bounds.accuracy_points if in_points else bounds.percent * abs(before) / 100
    # The bound itself is allowed, whatever floating point makes of it.
    if size <= bound * (1 + 1e-9) or judged == before:
        return UNCHANGED, ""
    if result.section == "stages" and new.unit == "ms" and size < _LEAST_STAGE_CHANGE_MS:
        return UNCHANGED, f"less than {_LEAST_STAGE_CHANGE_MS} ms"
    if _overlap(base, new, scale):
        return UNCHANGED, "the intervals overlap"
    return (REGRESSION if (judged > before) == (new.better == "lower") else IMPROVEMENT), ""


def _overlap(base: Measurement, new: Measurement, scale: float) -> bool:
    """Whether both have an interval, and they have values in common."""
    if base.low is None or base.high is None or new.low is None or new.high is None:
        return False
    return new.low * scale <= base.high and base.low <= new.high * scale


def _scale(measurement: Measurement, result: Result, slowness: float) -> float:
    """Return by what to multiply a figure to have what it would be on the base's machine.

    The processor's speed says nothing of a GPU's, nor of memory, accuracy and ratios; nor of how many streams it
    would have been where no more were tried.
    """
    runs_on = f"{result.settings.get('backend', '')} {result.settings.get('device', '')}"
    if any(name in runs_on for name in _ON_GPU):
        return 1.0
    if measurement.unit == "streams" and measurement.value == result.facts.get("most_tried"):
        return 1.0
    if measurement.unit in _TIME_UNITS:
        return 1 / slowness
    if measurement.unit.endswith("/s") or measurement.unit == "streams":
        return slowness
    return 1.0
