"""A clip's frames as an array, against the same clip as a file: what is added to the inference."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.engines import Engine
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import open_video
from tools.targets.target import Target

ARRAY = Target(
    name="array_share_percent",
    what="a clip's frames as an array, all in all, of the inference of the clip as a file",
    unit="%",
    at_most=103,
)


def measure_array(engine: Engine, clip: Path, method: Method, *, model: str, segments: int, views: str) -> Result:
    """Return what classifying the frames of `clip` takes, of the inference part of classifying the file.

    Both are classified in turn, in each repeat as often as `method` says.  `same_logits`: whether all answers were
    the same to the bit.
    """
    with open_video(clip) as video:
        frames = np.stack([frame.pixels for frame in video])
    recognizer = Recognizer(engine)
    expected = recognizer.classify(clip, segments=segments, views=views).logits
    times_ms: dict[str, list[float]] = {"file_inference_ms": [], "array_inference_ms": [], "array_ms": []}
    same = True
    for _ in range(method.repeats):
        method.watch.look()
        sums_ms = dict.fromkeys(times_ms, 0.0)
        for _ in range(method.repeat_iterations):
            of_file = recognizer.classify(clip, segments=segments, views=views)
            started_s = time.perf_counter()
            of_array = recognizer.classify(frames, segments=segments, views=views)
            sums_ms["array_ms"] += 1000 * (time.perf_counter() - started_s)
            sums_ms["array_inference_ms"] += of_array.timing.inference_ms
            sums_ms["file_inference_ms"] += of_file.timing.inference_ms
            same = same and all((each.logits == expected).all() for each in (of_file, of_array))
        for name, total_ms in sums_ms.items():
            times_ms[name].append(total_ms / method.repeat_iterations)
    pairs = zip(times_ms["array_ms"], times_ms["file_inference_ms"], strict=True)
    return ARRAY.result(
        over_repeats(
            ARRAY.name, [100 * one / other for one, other in pairs], unit=ARRAY.unit, better=ARRAY.better
        ),
        *(over_repeats(name, found, unit="ms", better="") for name, found in times_ms.items()),
        settings={"model": model, "clip": clip.name, "segments": segments, "views": views},
        facts={"frames": len(frames), "same_logits": bool(same)},
    )
