"""What the runtime costs: decoding, seeking, the pipeline around the engine, memory, start-up.

    python -m benchmarks.classify --model output/model.onnx --clip clip.mp4

Prints a table, and one JSON object as its last line.  Ratios are of runs side by side on this machine, so they
say more than the milliseconds do.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import av

from benchmarks.bare_engine import cut_crops, infer_all
from benchmarks.long_clip import long_clip
from benchmarks.timing import interleaved, median_ratio
from runtime.clips import ClipFrame, clip_frames
from runtime.cores import available_cores
from runtime.engines import open_engine
from runtime.preprocess import Frame, resize_frame
from runtime.recognizer import Recognizer
from runtime.sampling import centre_indices
from runtime.spec import ModelSpec
from runtime.video import open_video

SEGMENTS = 25


def sampled_frames(clip: Path, spec: ModelSpec) -> list[Frame]:
    """Return the resized frames of `clip`, as the runtime reads them."""
    items = clip_frames([clip], spec, segments=SEGMENTS, rule="centre")
    return [item.pixels for item in items if isinstance(item, ClipFrame)]


def frames_by_decoding_all(clip: Path, spec: ModelSpec) -> list[Frame]:
    """Return the same frames the plain way: decode every frame, convert and resize those that were asked for.

    Needs the number of frames to know which; that is given to it for nothing.
    """
    wanted = set(centre_indices(_frame_count(clip), SEGMENTS))
    frames = []
    with av.open(str(clip)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                pixels = frame.to_ndarray(format="rgb24")
                frames.append(resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule))
    return frames


@functools.cache
def _frame_count(clip: Path) -> int:
    with open_video(clip) as video:
        return video.frame_count()


def measure_decoding(clip: Path, spec: ModelSpec, repeats: int) -> dict[str, float]:
    """Compare sampled reading with decoding the file whole."""
    times = interleaved(
        {"sampled": lambda: sampled_frames(clip, spec), "whole": lambda: frames_by_decoding_all(clip, spec)},
        repeats=repeats,
    )
    return {
        "sampled_ms": statistics.median(times["sampled"]),
        "whole_ms": statistics.median(times["whole"]),
        "speedup": 1 / median_ratio(times, "sampled", "whole"),
    }


def measure_pipeline(model: Path, clip: Path, repeats: int) -> dict[str, float]:
    """Compare classifying a clip with the sum of its decoding and the bare engine calls."""
    with open_engine(model, device="cpu") as engine:
        recognizer = Recognizer(engine)
        frames = sampled_frames(clip, engine.spec)
        times = interleaved(
            {
                "classify": lambda: recognizer.classify(clip, segments=SEGMENTS),
                "decoding": lambda: sampled_frames(clip, engine.spec),
                "engine": lambda: infer_all(engine, cut_crops(frames, engine, "ten")),
            },
            repeats=repeats,
        )
    parts = [a + b for a, b in zip(times["decoding"], times["engine"], strict=True)]
    return {
        "classify_ms": statistics.median(times["classify"]),
        "parts_ms": statistics.median(parts),
        "overhead": statistics.median(a / b for a, b in zip(times["classify"], parts, strict=True)) - 1,
    }


def measure_batches(model: Path, clip: Path, repeats: int) -> dict[str, float]:
    """Return the milliseconds a crop at several batch sizes."""
    with open_engine(model, device="cpu") as engine:
        crops = cut_crops(sampled_frames(clip, engine.spec), engine, "ten")
        sizes = (1, 2, 5, 10, 25, len(crops))

        def run(size: int) -> None:
            for start in range(0, len(crops), size):
                engine.infer(crops[start : start + size])

        times = interleaved({str(size): functools.partial(run, size) for size in sizes}, repeats=repeats)
        return {f"batch_{size}_ms_per_crop": statistics.median(ms) / len(crops) for size, ms in times.items()}


def measure_memory(model: Path, clip: Path) -> float:
    """Return the peak resident memory, in MB, of `pptsn classify` on `clip`."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "pptsn", "-q", "classify", str(clip), "--model", str(model)]
    run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return int(run.stdout.split()[-1]) / 1024


def measure_help(repeats: int) -> float:
    """Return the median milliseconds of `pptsn --help`."""
    command = [sys.executable, "-m", "pptsn", "--help"]
    run = {"help": lambda: subprocess.run(command, capture_output=True, check=True)}
    return statistics.median(interleaved(run, repeats=repeats)["help"])


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="an .onnx file, best of ResNet-50")
    parser.add_argument("--clip", type=Path, required=True, help="a short video")
    parser.add_argument("--long-clip", type=Path, default=Path("output/bench/1080p.mp4"), help="made if missing")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--skip-batches", action="store_true", help="leave out the slow comparison of batch sizes")
    options = parser.parse_args()
    with open_engine(options.model, device="cpu") as engine:
        spec, description = engine.spec, engine.description
    long = long_clip(options.long_clip)
    figures: dict[str, object] = {
        "machine": {"processor": _processor(), "cores": available_cores(), "python": platform.python_version()},
        "engine": f"ResNet-{spec.depth} {spec.precision}, {description}",
        "segments": SEGMENTS,
        "short_clip": measure_decoding(options.clip, spec, 3 * options.repeats),
        "long_clip": measure_decoding(long, spec, max(3, options.repeats // 2)),
        "classify": measure_pipeline(options.model, options.clip, options.repeats),
        "peak_memory_mb": measure_memory(options.model, long),
        "help_ms": measure_help(options.repeats),
    }
    if not options.skip_batches:
        figures["batches"] = measure_batches(options.model, options.clip, max(3, options.repeats // 2))
    for name, value in figures.items():
        for key, number in value.items() if isinstance(value, dict) else [("", value)]:
            shown = f"{number:.3f}" if isinstance(number, float) else number
            print(f"{name:<16}{key:<24}{shown}")
    print(json.dumps(figures))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


if __name__ == "__main__":
    main()
