"""What a benchmark found: figures with their spread, one result a case, all of them in a report.

A report is written as JSON by `measure.documents`; docs/benchmarks.md describes it field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

SCHEMA = "pptsn.bench"
VERSION = 1

# In the order in which reports show them; the last three are what the project measures of itself.
SECTIONS = ("scenario", "live", "stages", "sweep", "gains", "targets", "device")

Setting: TypeAlias = "str | int | float | bool | None"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure.

    name: what was measured, with its unit at the end: `latency_p90_ms`, `crops_per_s`, `peak_memory_mb`.
    unit: for people: "ms", "crops/s", "MB", "%", "times".  better: "lower", "higher", or "" for neither.
    value: a median, or a percentile, of what was observed; None where it could not be told; `note` then says why.
    low, high: its interval, or None where there are too few observations; see `measure.percentiles`.
    repeats: the figure of each repeat.  samples: how many single observations lie behind all of them.
    """

    name: str
    unit: str
    better: Annotated[str, Meta(pattern="^(lower|higher|)$")]
    value: float | None
    low: float | None = None
    high: float | None = None
    repeats: tuple[float, ...] = ()
    samples: Annotated[int, Meta(ge=0)] = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one case gave.

    section: a name in SECTIONS.  settings: what tells this case from the others of its section, and nothing that
    changes from run to run: they are the key by which reports are compared.  facts: anything else worth keeping.
    sentence: what it means, for people.  error: why there are no figures, or "".
    """

    section: Annotated[str, Meta(pattern=f"^({'|'.join(SECTIONS)})$")]
    settings: Mapping[str, Setting]
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        """The section and the settings, in one line."""
        return " ".join([self.section, *(f"{name}={value}" for name, value in self.settings.items())])

    def __getitem__(self, name: str) -> Measurement:
        """Return the measurement `name`; raises KeyError."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(name)

    def value(self, name: str) -> float | None:
        """Return the value of the measurement `name`; None where there is none, or it is not known."""
        return next((found.value for found in self.measurements if found.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All results of a run.

    created: UTC, ISO 8601.  command: as it was called.  machine: what `machine.machine_facts` returns.
    noise: what `pptsn.benchmarks.measure.noise.NoiseWatch.findings` returns.
    """

    created: str
    command: str
    machine: Mapping[str, Any]
    noise: Mapping[str, Any]
    results: tuple[Result, ...]

    def of(self, section: str) -> tuple[Result, ...]:
        """Return the results of one section."""
        return tuple(result for result in self.results if result.section == section)

    def figures(self) -> dict[str, float]:
        """Return every value that there is, by the key of its result and its name."""
        return {
            f"{result.key} {measurement.name}": measurement.value
            for result in self.results
            for measurement in result.measurements
            if measurement.value is not None
        }
