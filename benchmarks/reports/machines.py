"""Machines in one line, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pptsn.benchmarks.measure.results import Report

# The package that matters to figures most; the page lists all of them.
_NAMED_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt_rtx_cu13_bindings")


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return processor, cores, memory, GPUs, system, versions and commit in one line, as far as they are known."""
    return ", ".join(_parts(machine)) or "a machine that tells nothing of itself"


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
    pairs = {
        "cpu": (_text(base.get("cpu")), _text(new.get("cpu"))),
        "cores": (_text(base.get("cores")), _text(new.get("cores"))),
        "core quota": (_text(base.get("core_quota")), _text(new.get("core_quota"))),
        "gpu": (", ".join(gpu_names(base)), ", ".join(gpu_names(new))),
        "power mode": (_text(base.get("power_mode")), _text(new.get("power_mode"))),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def slowness_between(base: Report, new: Report) -> float | None:
    """Return how many times as long the new machine takes for the same work; None where a probe is missing."""
    before, after = base.noise.get("probe_ms"), new.noise.get("probe_ms")
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or before <= 0 or after <= 0:
        return None
    return after / before


def _parts(machine: Mapping[str, Any]) -> Iterator[str]:
    if board := machine.get("board"):
        yield str(board)
    if cpu := machine.get("cpu"):
        yield str(cpu)
    if cores := machine.get("cores"):
        yield f"{cores} core{'' if cores == 1 else 's'}"
    if quota := _text(machine.get("core_quota")):
        yield f"a quota of {quota} core{'' if quota == '1' else 's'}"
    if isinstance(memory_mb := machine.get("memory_mb"), (int, float)):
        yield f"{memory_mb / 1000:.1f} GB"
    yield ", ".join(gpu_names(machine)) or "no GPU"
    if power_mode := _text(machine.get("power_mode")):
        yield power_mode
    for system in (machine.get("os"), machine.get("virtual")):
        if system:
            yield str(system)
    yield from _versions(machine)
    if commit := machine.get("commit"):
        yield f"commit {str(commit)[:10]}{' with changes' if machine.get('dirty') else ''}"


def _versions(machine: Mapping[str, Any]) -> Iterator[str]:
    if python := machine.get("python"):
        yield f"Python {python}"
    packages = machine.get("packages")
    for name in _NAMED_PACKAGES:
        if isinstance(packages, Mapping) and packages.get(name):
            yield f"{name} {packages[name]}"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
