"""Reading the sampled frames of a long clip, against decord."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.percentiles import median_over_repeats, over_repeats, percentile
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.frames.preprocess import resize_frame
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.video.reader import VideoReader
from tools.gains.baseline import sampled_frames
from tools.targets.decord_reader import frames_by_decord
from tools.targets.target import Target

LONG_GAIN = Target(
    name="long_speedup",
    what="a long clip decoded, sampled and resized, against decord",
    unit="times",
    at_least=1.7,
)


def measure_long(clip: Path, spec: ModelSpec, method: Method, *, segments: int) -> Result:
    """Return how much faster than decord a long clip is read, and how near that is to what must be decoded.

    What must be decoded for a wanted frame: it, and all frames from the key frame before it on that others may
    refer to.  Raises MissingDependencyError without decord.
    """
    times = measure_in_turn(
        {
            "ours": lambda: sampled_frames(clip, spec, segments=segments, seeking=True),
            "decord": lambda: frames_by_decord(clip, spec, segments=segments),
        },
        method,
    )
    gain = _ratios(times, "decord", "ours", LONG_GAIN.name)
    milliseconds = [median_over_repeats(f"{name}_ms", times[name]) for name in times]
    facts = _decoded(clip, spec, segments)
    remark = (
        f"Of {facts['frames']} frames {facts['reached']} lie between a key frame and a wanted one; "
        f"{facts['decoded']} were decoded: the wanted ones, and those before them that others refer to."
    )
    settings: dict[str, Setting] = {"clip": clip.name, "segments": segments}
    return LONG_GAIN.result(gain, *milliseconds, settings=settings, facts=facts, remark=remark)


def _decoded(clip: Path, spec: ModelSpec, segments: int) -> dict[str, int]:
    def resize(pixels: Any) -> Any:
        return resize_frame(pixels, short_side=spec.short_side, rule=spec.resize_rule)

    with VideoReader(clip) as video:
        frames = len(video.index)
        video.read(centre_indices(frames, segments), transform=resize)
        return {"frames": frames, "reached": video.effort.packets, "decoded": video.effort.frames}


def _ratios(times: Mapping[str, list[list[float]]], slow: str, fast: str, name: str) -> Measurement:
    """Return how many times longer `slow` took than `fast`, repeat by repeat."""
    pairs = zip(times[slow], times[fast], strict=True)
    values = [percentile(a, 0.5) / percentile(b, 0.5) for a, b in pairs]
    return over_repeats(name, values, unit="times", better="higher")
