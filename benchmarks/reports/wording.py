"""Names, figures, cases and machines in words, and how two machines differ."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pptsn.benchmarks.measure.results import Measurement, Report, Result, Setting

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
    named = {n: v for n, v in result.settings.items() if v is not None and (n not in shared or shared[n] != v)}
    return ", ".join(
        setting_in_words(value) if name in _CLEAR_BY_VALUE and value != "auto" else _named_setting(name, value)
        for name, value in named.items()
    )


def machine_facts_in_words(machine: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of a machine, name by name, each in one line; without what it does not have."""
    facts = {name.replace("_", " "): _fact_in_words(value) for name, value in machine.items()}
    return {name: text for name, text in facts.items() if text}


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


# The package that matters to figures most; the page lists all of them.
_NAMED_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt_rtx_cu13_bindings")


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return processor, cores, memory, GPUs, system, versions and commit in one line, as far as they are known."""
    return ", ".join(str(part) for part in _parts(machine) if part)


def machine_brief(machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few facts that tell machines apart."""
    return {
        "cpu": machine.get("cpu"),
        "cores": machine.get("cores"),
        "gpus": gpu_names(machine),
        "power_mode": machine.get("power_mode"),
        "commit": machine.get("commit"),
    }


def run_line(report: Report) -> str:
    """Return when it was measured and how, in one line."""
    day, _, clock = report.created.partition("T")
    minutes = f" {clock[:5]} UTC" if clock else ""
    return f"{day}{minutes}" + (f", {report.command}" if report.command else "")


def gpu_names(machine: Mapping[str, Any]) -> list[str]:
    """Return the names of the GPUs."""
    gpus = machine.get("gpus")
    if not isinstance(gpus, (list, tuple)):
        return []
    return [str(gpu.get("name") or "GPU") if isinstance(gpu, Mapping) else str(gpu) for gpu in gpus]


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what tells two machines apart, each with both values.

    Its keys: "cpu", "cores", "core quota", "gpu" and "power mode".
    """
    machines = [{**machine, "gpu": gpu_names(machine)} for machine in (base, new)]
    names = ("cpu", "cores", "core_quota", "gpu", "power_mode")
    pairs = {
        name.replace("_", " "): (_text(machines[0].get(name)), _text(machines[1].get(name))) for name in names
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def slowness_between(base: Report, new: Report) -> float | None:
    """Return how many times as long the new machine takes for the same work; None where a probe is missing."""
    before, after = base.noise.get("probe_ms"), new.noise.get("probe_ms")
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or before <= 0 or after <= 0:
        return None
    return after / before


def _parts(machine: Mapping[str, Any]) -> Iterator[object]:
    cores, quota, memory_mb = machine.get("cores"), _text(machine.get("core_quota")), machine.get("memory_mb")
    yield machine.get("board")
    yield machine.get("cpu")
    yield f"{cores} core{'' if cores == 1 else 's'}" if cores else None
    yield f"a quota of {quota} core{'' if quota == '1' else 's'}" if quota else None
    yield f"{memory_mb / 1000:.1f} GB" if isinstance(memory_mb, (int, float)) else None
    yield ", ".join(gpu_names(machine)) or "no GPU"
    yield _text(machine.get("power_mode"))
    yield machine.get("os")
    yield machine.get("virtual")
    yield f"Python {machine['python']}" if machine.get("python") else None
    packages = machine.get("packages")
    for name in _NAMED_PACKAGES:
        yield f"{name} {packages[name]}" if isinstance(packages, Mapping) and packages.get(name) else None
    if commit := machine.get("commit"):
        yield f"commit {str(commit)[:10]}{' with changes' if machine.get('dirty') else ''}"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else setting_in_words(value)
