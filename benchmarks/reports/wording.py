"""Names, figures and machines in words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pptsn.benchmarks.measure.results import Measurement, Result, Setting

NOT_KNOWN = "—"
TIMES = "\N{MULTIPLICATION SIGN}"
_DASH = "\N{EN DASH}"

# The ends of names that say the unit, which is shown beside them anyway; longer ones first.
_UNIT_ENDINGS = ("_per_s", "_percent", "_times", "_mb", "_ms", "_j", "_w", "_s")
# Settings whose values say what they are.
_CLEAR_BY_VALUE = (
    "scenario",
    "driver",
    "model",
    "precision",
    "backend",
    "device",
    "clip",
    "clips",
    "source",
    "part",
    "rung",
    "target",
)
_ABBREVIATIONS = {"fps": "fps", "top1": "top-1", "top5": "top-5", "int8": "INT8", "gpu": "GPU", "cpu": "CPU"}


def name_in_words(name: str) -> str:
    """Return `latency_p90_ms` as "latency p90": without its unit, in words."""
    for ending in _UNIT_ENDINGS:
        if name.endswith(ending) and name != ending:
            name = name.removesuffix(ending)
            break
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.split("_") if word) or name


def heading_of(measurement: Measurement) -> str:
    """Return the heading of a column of this figure, with its unit."""
    words, unit = name_in_words(measurement.name), measurement.unit
    if not unit or unit.split("/")[0] == words:
        return unit or words
    return f"{words}, {TIMES if unit == 'times' else unit}"


def figure(value: float | None, decimals: int | None = None) -> str:
    """Return a value with three digits that say something (thousands in groups), or with so many `decimals`.

    Whole numbers have no decimals unless asked for.
    """
    if value is None:
        return NOT_KNOWN
    if decimals is None:
        decimals = 0 if value == int(value) else decimals_of(value)
    return f"{value:,.{decimals}f}"


def decimals_of(value: float) -> int:
    """Return how many decimals show three digits of `value`, but at most three."""
    size = abs(value)
    if size >= 100 or size == 0:
        return 0
    return max(0, min(3, 2 - math.floor(math.log10(size))))


def with_unit(value: float | None, unit: str) -> str:
    """Return "41.2 ms" or "12 %"; how many times something is ends in a multiplication sign."""
    if value is None:
        return NOT_KNOWN
    return f"{figure(value)}{TIMES}" if unit == "times" else f"{figure(value)} {unit}".strip()


def interval(measurement: Measurement) -> str:
    """Return both ends with the decimals of the value, a dash between them, or "" where there is no interval."""
    if measurement.value is None or measurement.low is None or measurement.high is None:
        return ""
    decimals = decimals_of(measurement.value)
    low, high = figure(measurement.low, decimals), figure(measurement.high, decimals)
    return "" if low == high else f"{low}{_DASH}{high}"


def setting_heading(name: str) -> str:
    """Return the heading of a column of this setting: `bound_ms` is "bound, ms"."""
    words, unit = _split_unit(name)
    return f"{words}, {unit}" if unit else words


def _split_unit(name: str) -> tuple[str, str]:
    """Return a setting's name in words, and the unit of its value, or ""."""
    for unit in ("ms", "s", "mb"):
        if name.endswith(f"_{unit}"):
            return name.removesuffix(f"_{unit}").replace("_", " "), unit.upper() if unit == "mb" else unit
    return name.replace("_", " "), ""


def _named_setting(name: str, value: Setting) -> str:
    """Return `bound_ms` of 200 as "bound 200 ms"."""
    words, unit = _split_unit(name)
    return f"{words} {setting_in_words(value)} {unit}".strip()


def setting_in_words(value: Setting) -> str:
    """Return a setting's value as people write it."""
    if value is None:
        return NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def case_in_words(result: Result, without: Mapping[str, Setting] | None = None) -> str:
    """Return the settings of a result in one line, without those that are the same as in `without`."""
    shared = without or {}
    told = {n: v for n, v in result.settings.items() if v is not None and (n not in shared or shared[n] != v)}
    return ", ".join(
        setting_in_words(value) if name in _CLEAR_BY_VALUE and value != "auto" else _named_setting(name, value)
        for name, value in told.items()
    )


def machine_facts_in_words(machine: Mapping[str, Any]) -> dict[str, str]:
    """Return what a machine told of itself, name by name, each in one line; without what it does not have."""
    told = {}
    for name, value in machine.items():
        text = _fact_in_words(value)
        if text:
            told[name.replace("_", " ")] = text
    return told


def _fact_in_words(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, Mapping):
        parts = ((name, _fact_in_words(item)) for name, item in value.items())
        return ", ".join(f"{str(name).replace('_', ' ')} {text}" for name, text in parts if text)
    if isinstance(value, (list, tuple)):
        return "; ".join(filter(None, map(_fact_in_words, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    return re.sub(r"\s+", " ", str(value)).strip()
