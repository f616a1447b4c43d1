"""A target: a figure that is promised, and whether a measurement keeps the promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pptsn.benchmarks.measure.results import Measurement, Result, Setting


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound for one figure.

    name: of the result and its measurement, with the unit at its end.  what: for people.
    unit: for people.  at_most, at_least: the bound; one of the two.
    """

    name: str
    what: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def better(self) -> str:
        """Which direction is better."""
        return "higher" if self.at_most is None else "lower"

    def is_met_by(self, value: float | None) -> bool:
        """Whether `value` keeps the bound; None, which could not be measured, does not."""
        if value is None:
            return False
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    def bound(self) -> str:
        """Return the bound, for people."""
        sign, value = ("<=", self.at_most) if self.at_most is not None else (">=", self.at_least)
        return f"{sign} {value:g} {self.unit}"

    def result(
        self,
        measurement: Measurement,
        *others: Measurement,
        settings: Mapping[str, Setting] | None = None,
        facts: dict[str, Any] | None = None,
        remark: str = "",
    ) -> Result:
        """Return the result: `measurement` is what the bound is for, `others` are what it is made of."""
        met = self.is_met_by(measurement.value)
        sentence = f"{self.what}: {_shown(measurement)}, target {self.bound()}: {'met' if met else 'NOT met'}."
        return Result(
            section="targets",
            settings={"target": self.name, **(settings or {})},
            measurements=(measurement, *others),
            facts={"bound": self.bound(), "met": met, **(facts or {})},
            sentence=" ".join(part for part in (sentence, remark) if part),
        )

    def failed(self, error: str, *, settings: Mapping[str, Setting] | None = None) -> Result:
        """Return the result of a target that could not be measured."""
        return Result(section="targets", settings={"target": self.name, **(settings or {})}, error=error)


def _shown(measurement: Measurement) -> str:
    if measurement.value is None:
        return f"not measured ({measurement.note})"
    return f"{measurement.value:.4g} {measurement.unit}"
