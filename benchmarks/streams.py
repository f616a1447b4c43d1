"""What live classification costs: the pipeline around the engine, many streams, latency, memory over a long run.

    python -m benchmarks.streams --model output/model.onnx

Prints a line a figure, with its target, and one JSON object as its last line.  Ratios are of runs side by side on
this machine.  Latency and memory are measured with a model that costs next to nothing, which is made for it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing.forkserver
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.bare_engine import cut_crops, infer_all
from benchmarks.long_clip import long_clip
from benchmarks.timing import interleaved, median_ratio
from benchmarks.tiny_model import write_tiny_model
from runtime.engines import Engine, open_engine
from runtime.preprocess import Frame, resize_frame
from runtime.stream.capture.opening import open_source
from runtime.stream.grid import TimeGrid
from runtime.stream.messages import Message, StreamPrediction
from runtime.stream.pipeline import StreamPipeline
from runtime.stream.settings import StreamSettings
from runtime.stream.sinks.base import Sink
from runtime.stream.timeline import Timeline
from runtime.stream.uri import parse_source
from runtime.video.picture import PictureMaker

STEP_S = 0.2
SEGMENTS = 8
STREAMS = 8
FEW, MANY = 3, 25


class Ages(Sink):
    """Keeps how old each prediction was, from capture to sink, in milliseconds."""

    name = "ages"

    def __init__(self) -> None:
        self.total_ms: list[float] = []

    def write(self, message: Message) -> None:
        """Note the age of a prediction."""
        if isinstance(message, StreamPrediction):
            self.total_ms.append(1000 * (message.stages.emitted_s - message.stages.captured_s))

    def close(self) -> None:
        """Do nothing."""


def settings_for(segments: int = SEGMENTS, *, step_s: float = STEP_S, views: str = "center") -> StreamSettings:
    """Return settings with a sampled frame each `step_s`, and a prediction with each."""
    return StreamSettings(window_s=step_s * segments, segments=segments, views=views, max_gap_s=60)


def run_pipeline(engine: Engine, sources: Sequence[str], settings: StreamSettings) -> int:
    """Run `sources` to their end; return the number of frames that were inferred."""
    ages = Ages()
    pipeline = StreamPipeline(engine, settings)
    with pipeline:
        pipeline.add_sink(ages)
        for source in sources:
            pipeline.add(parse_source(source))
        pipeline.start()
        pipeline.wait()
        if pipeline.exit_code:
            raise SystemExit("\n".join(f"{health.source}: {health.detail}" for health in pipeline.health()))
        return sum(health.inferred for health in pipeline.health())


def sampled_frames(source: str, engine: Engine, step_s: float = STEP_S) -> list[Frame]:
    """Return the sampled, resized frames of a file: decoding, sampling and resizing, and nothing else."""
    spec, uri = engine.spec, parse_source(source)
    grid, timeline = TimeGrid(step_s, max_gap_s=60), Timeline(live=False)

    def resize(pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    pictures = PictureMaker(source, None, resize)
    frames = []
    with open_source(uri, timeout_s=5) as opened:
        for captured in opened.frames():
            time_s = timeline.at(captured.pts_s, captured.captured_s)
            if grid.place(time_s, size=(captured.frame.width, captured.frame.height)):
                frames.append(pictures.make(captured.frame, 0).pixels)
    return frames


def measure_one_stream(engine: Engine, clip: str, repeats: int) -> dict[str, float]:
    """Compare one file as a stream with decoding, resizing and inferring its frames one after another."""
    times = interleaved(
        {
            "pipeline": lambda: run_pipeline(engine, [clip], settings_for()),
            "bare": lambda: infer_all(engine, cut_crops(sampled_frames(clip, engine), engine, "center")),
        },
        repeats=repeats,
    )
    return {
        "pipeline_ms": statistics.median(times["pipeline"]),
        "bare_ms": statistics.median(times["bare"]),
        "added_share": median_ratio(times, "pipeline", "bare") - 1,
    }


def measure_many_streams(engine: Engine, clip: str, repeats: int, views: str) -> dict[str, float]:
    """Compare the frames a second of eight files at once with those of the engine alone at the same batch."""
    crops = cut_crops(sampled_frames(clip, engine), engine, views)
    crops = np.concatenate([crops] * STREAMS)
    times = interleaved(
        {
            "streams": lambda: run_pipeline(engine, [clip] * STREAMS, settings_for(views=views)),
            "engine": lambda: infer_all(engine, crops),
        },
        repeats=repeats,
    )
    return {
        "streams_ms": statistics.median(times["streams"]),
        "engine_ms": statistics.median(times["engine"]),
        "share_of_engine": median_ratio(times, "engine", "streams"),
    }


def measure_segments(engine: Engine, clip: str, repeats: int) -> dict[str, float]:
    """Compare the cost of a prediction with few and with many segments, one prediction a sampled frame."""
    times = interleaved(
        {str(n): lambda n=n: run_pipeline(engine, [clip], settings_for(n)) for n in (FEW, MANY)},  # type: ignore[misc]
        repeats=repeats,
    )
    return {
        f"segments_{FEW}_ms": statistics.median(times[str(FEW)]),
        f"segments_{MANY}_ms": statistics.median(times[str(MANY)]),
        "many_to_few": median_ratio(times, str(MANY), str(FEW)),
    }


def measure_latency(model: Path, seconds: float) -> dict[str, float]:
    """Return the age of predictions on a live source of 30 frames a second, and in periods of sampled frames."""
    ages = Ages()
    with open_engine(model, device="cpu") as engine:
        pipeline = StreamPipeline(engine, settings_for())
        with pipeline:
            pipeline.add_sink(ages)
            pipeline.add(parse_source(f"synthetic:?live=1&fps=30&size=1280x720&seconds={seconds}"))
            pipeline.start()
            pipeline.wait()
    p50, p99 = np.percentile(ages.total_ms, [50, 99])
    return {"p50_ms": p50, "p99_ms": p99, "p99_periods": p99 / (1000 * STEP_S), "predictions": len(ages.total_ms)}


def measure_memory(model: Path, early: int, late: int) -> dict[str, float]:
    """Return the resident memory, in MB, of the pipeline and of its capture, after `early` and `late` frames."""
    marks: dict[int, tuple[float, float]] = {}
    with open_engine(model, device="cpu") as engine:
        # Every frame is sampled: the grid's step is the time of a frame.
        pipeline = StreamPipeline(engine, settings_for(step_s=1 / 25))
        with pipeline:
            pipeline.add_sink(Ages())
            pipeline.add(parse_source(f"synthetic:?fps=25&size=160x120&frames={late + 1000}"))
            pipeline.start()
            started_s = time.monotonic()
            while not pipeline.wait(0.02):
                inferred = pipeline.health()[0].inferred
                for mark in (early, late):
                    if inferred >= mark and mark not in marks:
                        marks[mark] = (_resident_mb(os.getpid()), _capture_mb())
            rate = (late + 1000) / (time.monotonic() - started_s)
    return {
        "early_mb": marks[early][0],
        "late_mb": marks[late][0],
        "growth": marks[late][0] / marks[early][0] - 1,
        "capture_early_mb": marks[early][1],
        "capture_late_mb": marks[late][1],
        "capture_growth": marks[late][1] / marks[early][1] - 1,
        "frames_per_s": rate,
    }


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _capture_mb() -> float:
    """Return the resident memory of the capture processes: the children of multiprocessing's fork server."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    total = 0.0
    for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        with suppress(OSError):
            total += _resident_mb(int(pid))
    return total


_TARGETS = {
    ("one_stream", "added_share"): "<= 0.05",
    ("eight_streams", "share_of_engine"): ">= 0.95",
    ("eight_ten", "share_of_engine"): ">= 0.95",
    ("segments", "many_to_few"): "<= 1.05",
    ("latency", "p99_periods"): "<= 2",
    ("memory", "growth"): "<= 0.05",
}


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="an .onnx file, best of ResNet-50")
    parser.add_argument(
        "--clips", type=Path, default=Path("output/bench"), help="folder of clips, made if missing"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=int, nargs=3, default=(60, 12, 6), help="lengths of the clips")
    parser.add_argument("--live-seconds", type=float, default=30)
    parser.add_argument("--frames", type=int, default=200_000, help="of the long run")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    long, short, shorter = (
        str(long_clip(options.clips / f"640x360-{seconds}s.mp4", size=(640, 360), seconds=seconds))
        for seconds in options.seconds
    )
    with open_engine(options.model, device="cpu") as engine:
        figures["engine"] = f"ResNet-{engine.spec.depth} {engine.spec.precision}, {engine.description}"
        figures["one_stream"] = measure_one_stream(engine, long, options.repeats)
        figures["eight_streams"] = measure_many_streams(engine, short, options.repeats, "center")
        figures["eight_ten"] = measure_many_streams(engine, shorter, max(1, options.repeats // 2), "ten")
        figures["segments"] = measure_segments(engine, long, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        tiny = write_tiny_model(Path(folder) / "tiny.onnx")
        figures["latency"] = measure_latency(tiny, options.live_seconds)
        figures["memory"] = measure_memory(tiny, options.frames // 100, options.frames)
    for name, value in figures.items():
        for key, number in value.items() if isinstance(value, dict) else [("", value)]:
            shown = f"{number:.3f}" if isinstance(number, float) else number
            print(f"{name:<16}{key:<24}{shown!s:<12}{_TARGETS.get((name, key), '')}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
