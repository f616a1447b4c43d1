"""The commands of `pptsn bench`."""

from __future__ import annotations

from pptsn.cli.lazy import lazy_app

app = lazy_app(
    {
        "run": (
            "pptsn.cli.bench.run:run",
            "Measure everything, in minutes: scenarios, live streams, stages, a sweep.",
        ),
        "scenario": (
            "pptsn.cli.bench.scenario:scenario",
            "Measure a model by MLPerf's inference scenarios.",
        ),
        "live": ("pptsn.cli.bench.live:live", "Find the most live streams that the model serves in time."),
        "stages": (
            "pptsn.cli.bench.stages:stages",
            "Show where the time of classifying videos goes, name the bottleneck, and say what to try.",
        ),
        "sweep": (
            "pptsn.cli.bench.sweep:sweep",
            "Measure every combination of model, backend, views, segments and batch: accuracy, speed, memory, "
            "energy.",
        ),
        "report": (
            "pptsn.cli.bench.report:report",
            "Show reports as tables, Markdown, a page or plots; several of them side by side.",
        ),
        "compare": (
            "pptsn.cli.bench.compare:compare",
            "Compare reports: exit code 1 where a figure got worse past the bound, or a case failed or is "
            "missing.",
        ),
    },
    help="Measure models on this machine; reports; comparisons.",
)
