"""Several reports side by side, each under a short name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.benchmarks.measure.documents import read_report
from pptsn.benchmarks.measure.results import Report


@dataclass(frozen=True)
class Series:
    """A report and what it is called beside others."""

    name: str
    report: Report


def read_series(paths: Sequence[str | Path]) -> list[Series]:
    """Return the reports in `paths`.  Raises InputError as `read_report` does."""
    return [Series(name, read_report(path)) for name, path in zip(short_names(paths), paths, strict=True)]


def short_names(paths: Sequence[str | Path]) -> list[str]:
    """Return a name for each file: its own without the ending, with as many folders as tell it from the others."""
    places = [Path(path).resolve() for path in paths]
    names = [place.stem for place in places]
    for depth in range(2, 1 + max((len(place.parts) for place in places), default=0)):
        owners: dict[str, set[Path]] = {}
        for name, place in zip(names, places, strict=True):
            owners.setdefault(name, set()).add(place)
        names = [
            name if len(owners[name]) == 1 else "/".join((*place.parts[-depth:-1], place.stem))
            for name, place in zip(names, places, strict=True)
        ]
    return [name if names.count(name) == 1 else f"{name} #{index + 1}" for index, name in enumerate(names)]
