"""A trial in words."""

from __future__ import annotations

from pptsn.benchmarks.live.trial import Trial


def told(trial: Trial) -> str:
    """Return how a trial went, in one line."""
    count = f"{trial.streams} stream{'s' if trial.streams > 1 else ''}"
    if not trial.held:
        return f"{count}: {'; '.join(trial.failures)}"
    p99_ms = trial.to_dict()["latency_p99_ms"]
    return f"{count}: in time" if p99_ms is None else f"{count}: in time, p99 latency {p99_ms:.0f} ms"
