"""Reports that nobody measured, with all that a report can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Measurement, Report, Result

STAGES_MS = {
    "demux": 0.3,
    "decode": 31.5,
    "colour_conversion": 4.2,
    "resize": 18.4,
    "batch_wait": 0.1,
    "copy_in": 0.6,
    "compute": 812.0,
    "copy_out": 0.1,
    "aggregate": 0.4,
    "emit": 0.2,
}
ODD_NAME = 'über <b>fast</b> & "good" $x_1$ | 模型.onnx'


def figure(
    name: str, value: float | None, *, unit: str = "ms", better: str = "lower", spread: float = 0.02, **told: Any
) -> Measurement:
    """A measurement with five repeats around `value`."""
    if value is None:
        return Measurement(
            name=name, unit=unit, better=better, value=None, note=told.get("note", "was not measured")
        )
    values = [value * (1 + spread * step) for step in (-1, -0.5, 0, 0.5, 1)]
    return replace(over_repeats(name, values, unit=unit, better=better), **told)


def scenario(name: str, *measurements: Measurement, model: str = "resnet50.int8.onnx", error: str = "") -> Result:
    settings = {"scenario": name, "model": model, "precision": "int8", "backend": "onnxruntime cpu"}
    return Result(section="scenario", settings=settings, measurements=measurements, error=error)


def latencies(p50_ms: float, slow: float = 1.0, *, p99: bool = True) -> tuple[Measurement, ...]:
    note = "needs at least 100 samples, got 61: measure for longer"
    return (
        figure("latency_p90_ms", 1.2 * p50_ms * slow),
        figure("latency_p50_ms", p50_ms * slow, better=""),
        figure("latency_p99_ms", 1.6 * p50_ms * slow if p99 else None, better="", note=note if not p99 else ""),
    )


def stages(clip: str, *, slower: dict[str, float] | None = None) -> Result:
    """What each stage takes; `slower`: by which factor some of them are slowed down."""
    times_ms = {name: ms * (slower or {}).get(name, 1.0) for name, ms in STAGES_MS.items()}
    total_ms = sum(times_ms.values())
    measurements: list[Measurement] = []
    for name, ms in times_ms.items():
        measurements += [
            figure(f"{name}_ms_per_clip", ms),
            figure(f"{name}_p50_ms", ms / 25, better=""),
            figure(f"{name}_p90_ms", ms / 22, better=""),
            figure(f"{name}_p99_ms", ms / 12, better=""),
            figure(f"{name}_share_percent", 100 * ms / total_ms, unit="%", better=""),
        ]
    measurements.append(figure("clip_ms", total_ms))
    return Result(
        section="stages",
        settings={"model": "resnet50.int8.onnx", "clip": clip, "segments": 25, "views": "ten"},
        measurements=tuple(measurements),
        sentence=f"{clip}: compute takes 94 % of the time: try INT8, fewer views or a GPU.",
    )


def sweep(slow: float = 1.0) -> list[Result]:
    """Cells of two precisions, three views and three numbers of segments; one has failed."""
    found = []
    for precision, cost, lost, memory_mb in (("fp32", 25.0, 0.0, 620.0), ("int8", 8.4, 0.7, 350.0)):
        for views, crops, gain in (("center", 1, 0.0), ("three", 3, 1.1), ("ten", 5, 1.6)):
            for segments in (3, 8, 25):
                latency_ms = cost * crops * segments * slow + 12
                top1 = 66 + gain + 2.2 * {3: 0, 8: 1, 25: 1.5}[segments] - lost
                settings = {
                    "model": f"resnet50.{precision}.onnx",
                    "precision": precision,
                    "backend": "onnxruntime",
                    "device": "cpu",
                    "views": views,
                    "segments": segments,
                    "batch": "auto",
                }
                measurements = (
                    Measurement(name="top1_percent", unit="%", better="higher", value=top1, samples=500),
                    figure("latency_p50_ms", latency_ms),
                    figure("latency_p90_ms", 1.1 * latency_ms),
                    figure("clips_per_s", 1000 / latency_ms, unit="clips/s", better="higher"),
                    figure("crops_per_s", 1000 * crops * segments / latency_ms, unit="crops/s", better="higher"),
                    Measurement(
                        name="peak_memory_mb",
                        unit="MB",
                        better="lower",
                        value=memory_mb + 9 * crops * segments**0.5,
                        samples=1,
                    ),
                    Measurement(name="model_size_mb", unit="MB", better="lower", value=memory_mb / 6, samples=1),
                    figure(
                        "joules_per_clip",
                        None,
                        unit="J",
                        note="no permission to read the power sensors of this machine",
                    ),
                )
                found.append(Result(section="sweep", settings=settings, measurements=measurements))
    failed = {**found[0].settings, "model": ODD_NAME, "precision": None}
    best = replace(
        found[-4], sentence="Take resnet50.int8.onnx with ten views of 3 segments: the fastest within a point."
    )
    return [
        *found[:-4],
        best,
        *found[-3:],
        Result(section="sweep", settings=failed, error="model <1>: is no ONNX file & cannot be read"),
    ]


def gains(slow: float = 1.0) -> list[Result]:
    found = []
    for part, rungs in {
        "classify": {"plain": 1.0, "seeking decode": 1.12, "uint8 crops": 1.6, "INT8": 3.9, "overlap": 4.4},
        "windows": {"plain": 1.0, "per-frame reuse": 23.5},
    }.items():
        for rung, times in rungs.items():
            ratios = (
                (
                    figure("speedup_over_plain_times", times / slow, unit="times", better="higher"),
                    figure("speedup_over_before_times", 1.2, unit="times", better="higher"),
                )
                if rung != "plain"
                else ()
            )
            measurements = (figure("clip_ms", 5200 * slow / times), *ratios)
            settings = {
                "part": part,
                "rung": rung,
                "model": "resnet50.int8.onnx",
                "segments": 25,
                "views": "ten",
                "clip": "archery.avi",
            }
            found.append(
                Result(
                    section="gains",
                    settings=settings,
                    measurements=measurements,
                    sentence=f"{rung}: {times} times the plain way." if rung == "INT8" else "",
                )
            )
    return found


def targets(slow: float = 1.0) -> list[Result]:
    prepare_ms, start_s = 39.2 * slow, 1.31
    return [
        Result(
            section="targets",
            settings={"target": "prepare_ms", "clip": "archery.avi", "segments": 25, "views": "ten"},
            measurements=(figure("prepare_ms", prepare_ms), figure("plain_ms", 310.0, better="")),
            facts={"bound": "<= 42 ms", "met": prepare_ms <= 42},
            sentence=f"a short clip decoded, sampled, resized and cropped: {prepare_ms:.4g} ms, target <= 42 ms.",
        ),
        Result(
            section="targets",
            settings={"target": "start_to_answer_s", "model": "small.onnx"},
            measurements=(figure("start_to_answer_s", start_s, unit="s"),),
            facts={"bound": "<= 1.2 s", "met": False},
            sentence="start of pptsn classify to its answer: 1.31 s, target <= 1.2 s: NOT met.",
        ),
        Result(
            section="targets",
            settings={"target": "long_speedup"},
            error="decord: is not installed; run: pip install decord",
        ),
    ]


def live(slow: float = 1.0) -> list[Result]:
    return [
        Result(
            section="live",
            settings={"model": "resnet50.int8.onnx", "bound_ms": 200, "fps": 30},
            measurements=(
                figure("streams", 6, unit="streams", better="higher", spread=0),
                figure("latency_p99_ms", 143.0 * slow, better=""),
            ),
            sentence="6 streams of 30 frames a second stay under 200 ms; the 7th does not.",
        ),
    ]


def results(slow: float = 1.0, *, slower: dict[str, float] | None = None) -> list[Result]:
    """Results of every section; `slow`: all times are so many times as long."""
    bound = figure("queries_per_s", 21.5 / slow, unit="queries/s", better="higher")
    return [
        scenario("single-stream", *latencies(36.0, slow)),
        scenario("multi-stream", *latencies(248.0, slow)),
        scenario("server", bound, *latencies(61.0, slow, p99=False)),
        scenario(
            "offline",
            figure("frames_per_s", 27.6 / slow, unit="frames/s", better="higher"),
            figure("views_per_s", 276.0 / slow, unit="views/s", better="higher"),
            figure("clips_per_s", 1.1 / slow, unit="clips/s", better="higher"),
        ),
        scenario("offline", model=ODD_NAME, error="model <1>: is no ONNX file & cannot be read"),
        *live(slow),
        stages("archery.avi", slower=slower),
        stages("long-1080p.mp4", slower={**(slower or {}), "decode": 14.0}),
        *sweep(slow),
        *gains(),
        *targets(slow),
    ]


MACHINE: dict[str, Any] = {
    "cpu": "AMD EPYC 9B45 <128-Core> & Processor",
    "architecture": "x86_64",
    "cores": 2,
    "cores_present": 2,
    "core_quota": None,
    "memory_mb": 25183,
    "os": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "Linux 6.1.0",
    "python": "3.11.2",
    "virtual": "virtual machine",
    "power_mode": None,
    "governor": None,
    "temperatures_c": {"0 x86_pkg_temp": 51.0},
    "gpus": None,
    "packages": {"numpy": "2.2.6", "onnxruntime": "1.22.0", "av": "16.0.1"},
    "ffmpeg": {"libavcodec": "61.19.101"},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": True,
}


def report(
    found: Sequence[Result] | None = None,
    *,
    probe_ms: float | None = 4.0,
    warnings: Sequence[str] = (),
    machine: dict[str, Any] | None = None,
) -> Report:
    """A report of `found`, by default of every section."""
    noise = {
        "probe_ms": probe_ms,
        "probe_spread": 0.04,
        "probes": 31,
        "stolen_share": 0.001,
        "load_before": 0.4,
        "clock_step_s": 0.0,
        "warnings": list(warnings),
    }
    return Report(
        created="2026-11-23T10:15:30+00:00",
        command="pptsn bench run --model resnet50.int8.onnx",
        machine={**MACHINE, **(machine or {})},
        noise=noise,
        results=tuple(results() if found is None else found),
    )
