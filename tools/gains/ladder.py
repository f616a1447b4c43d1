"""What each part of the toolkit gains: the plain way of `tools.gains.baseline`, with one switch more at a time."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pptsn.benchmarks.measure.method import Method, measure_in_turn
from pptsn.benchmarks.measure.percentiles import median_over_repeats, over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.preprocess import Frame, cut_crop
from pptsn.runtime.frames.sampling import check_segments
from pptsn.runtime.frames.views import crop_views, view_count
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.video import open_video
from tools.gains.baseline import SwitchedClassifier, float_views, ladder, sampled_frames
from tools.gains.stream_frames import stream_frames
from tools.gains.windows import plan_windows, recomputed_windows, streamed_windows

CLIP, PREPROCESSING, WINDOWS = PARTS = ("clip", "preprocessing", "windows")
# Sampled frames of a stream beyond its first window.
_FRAMES_AFTER = 5


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One way to do the work of a part.

    run: does it `count` times.  precision: of the model that it runs, "fp32" or "int8".
    """

    run: Callable[[], object]
    count: int = 1
    precision: str = "fp32"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rungs that do the same work, the plain way first.

    work: what is done, in a sentence's words.  per: what the time is counted by, "clip" or "prediction".
    facts: of all its results.
    """

    name: str
    work: str
    per: str
    clip: Path
    rungs: Mapping[str, Rung]
    facts: Mapping[str, object] = field(default_factory=dict)


def measure_gains(
    fp32_model: Path,
    int8_model: Path | None,
    clip: Path,
    *,
    long_clip: Path | None = None,
    segments: int = 25,
    views: str = "ten",
    predictions: int = 1,
    threads: int | None = None,
    parts: Collection[str] = PARTS,
    method: Method,
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[Result]:
    """Yield what each switch gains on the CPU: for a clip, for preprocessing alone, for windows on a stream.

    fp32_model, int8_model: deployment graphs of one training; without the second, INT8 is left out.
    clip: is classified; long_clip: is watched as a stream, spread over `segments` + 5 sampled frames, or `clip`.
    predictions: windows that the plain way recomputes in one iteration.  Its time is proportional to them, and one
        takes as long as classifying a clip; the ratio does not depend on them.
    parts: those of PARTS to measure.  progress: is told what is measured next.

    A part that cannot be measured with these clips gives one result that says why.  Raises what opening the models
    raises, UsageError for segments and views that make no sense, and InputError for clips that cannot be read.
    """
    check_segments(segments)
    view_count(views, mirror_in_graph=False)
    stream = long_clip or clip
    frames = _frame_counts({clip, stream})
    with SwitchedClassifier(fp32_model, int8_model, segments=segments, views=views, threads=threads) as classifier:
        known: dict[str, tuple[Path, Callable[[], Part]]] = {
            CLIP: (clip, lambda: clip_part(classifier, clip, frames=frames[clip])),
            PREPROCESSING: (clip, lambda: preprocessing_part(classifier, clip)),
            WINDOWS: (stream, lambda: windows_part(classifier, stream, predictions=predictions)),
        }
        for name in (name for name in known if name in parts):
            source, new_part = known[name]
            try:
                part = new_part()
                progress(f"measuring {part.name}: {'; '.join(part.rungs)}")
                times_ms = measure_in_turn({rung: part.rungs[rung].run for rung in part.rungs}, method)
                yield from results_of(part, times_ms, classifier)
            except InputError as error:
                settings = _settings(name, "plain", "fp32", source, classifier)
                yield Result(section="gains", settings=settings, error=str(error))


def _frame_counts(clips: set[Path]) -> dict[Path, int]:
    """Return the frames of each clip; raises InputError for what is no video, before anything is measured."""
    counts = {}
    for clip in clips:
        with open_video(clip) as video:
            counts[clip] = video.frame_count()
    return counts


def clip_part(classifier: SwitchedClassifier, clip: Path, *, frames: int) -> Part:
    """Return the ladder: from file to logits, with one switch more on each rung.  frames: those of the clip."""
    rungs = {
        name: Rung(
            run=functools.partial(classifier.classify, clip, switches),
            precision="int8" if switches.int8 else "fp32",
        )
        for name, switches in ladder(int8="int8" in classifier.engines).items()
    }
    facts = {"frames": frames}
    return Part(name=CLIP, work="Classifying a clip", per="clip", clip=clip, rungs=rungs, facts=facts)


def preprocessing_part(classifier: SwitchedClassifier, clip: Path) -> Part:
    """Return the ways from file to what is inferred: float views of a clip decoded whole, or uint8 crops.

    The published code normalises pixel by pixel; "planes first" is the plain way as a careful programmer would
    write it, so that the toolkit's gain is not NumPy's loss.
    """
    spec, segments, views = classifier.spec, classifier.segments, classifier.views

    def plain(planes_first: bool) -> None:
        frames = sampled_frames(clip, spec, segments=segments, seeking=False)
        float_views(frames, spec, views, planes_first=planes_first)

    def toolkit() -> None:
        for frame in sampled_frames(clip, spec, segments=segments, seeking=True):
            _cut_into(buffer, frame, spec, views)

    buffer: Frame = np.empty((10, spec.crop_size, spec.crop_size, 3), np.uint8)
    rungs = {
        "plain": Rung(run=functools.partial(plain, False)),
        "plain, planes first": Rung(run=functools.partial(plain, True)),
        "toolkit": Rung(run=toolkit),
    }
    return Part(name=PREPROCESSING, work="Preprocessing a clip", per="clip", clip=clip, rungs=rungs)


def _cut_into(buffer: Frame, frame: Frame, spec: ModelSpec, views: str) -> None:
    """Cut the crops of a frame into the first rows of `buffer`: used again, as the engine's batches are."""
    height, width = frame.shape[:2]
    cut = crop_views(views, width, height, size=spec.crop_size, mirror_in_graph=spec.mirror)
    for row, view in enumerate(cut):
        cut_crop(frame, view, out=buffer[row])


def windows_part(classifier: SwitchedClassifier, clip: Path, *, predictions: int) -> Part:
    """Return the ways to a prediction with each sampled frame of a stream.

    The plain way gets its decoded frames for nothing; the toolkit's time is that of its whole stream pipeline,
    from the start of its capture process on.
    """
    segments, views = classifier.segments, classifier.views
    count = segments + max(_FRAMES_AFTER, predictions - 1)
    plan = plan_windows(clip, frames=count, segments=segments, views=views)
    frames = stream_frames(str(clip), classifier.spec, step_s=plan.step_s)
    if len(frames) < segments + predictions - 1:
        cause = f"gives {len(frames)} sampled frames, {predictions} windows of {segments} need more"
        raise InputError(clip, cause, "choose a longer clip, or fewer segments")
    plain = functools.partial(recomputed_windows, classifier, frames, predictions=predictions)
    rungs = {"plain": Rung(run=plain, count=predictions)}
    for precision, engine in classifier.engines.items():
        name = "frame reuse" if precision == "fp32" else "frame reuse, int8"
        run = functools.partial(streamed_windows, clip, engine, plan)
        rungs[name] = Rung(run=run, count=len(frames), precision=precision)
    facts = {"sampled_frames": len(frames), "recomputed_windows": predictions}
    return Part(
        name="windows", work="A prediction on a stream", per="prediction", clip=clip, rungs=rungs, facts=facts
    )


def results_of(
    part: Part, times_ms: Mapping[str, list[list[float]]], classifier: SwitchedClassifier
) -> list[Result]:
    """Return a result a rung.  times_ms: of each iteration, in the lists of the repeats, as measured in turn."""
    results, before = [], ""
    for name, rung in part.rungs.items():
        settings = _settings(part.name, name, rung.precision, part.clip, classifier)
        measured = _measurements(part, times_ms, name, before)
        facts = {**part.facts, "before": before, "engine": classifier.engines[rung.precision].description}
        sentence = _sentence(part, name, measured)
        results.append(
            Result(section="gains", settings=settings, measurements=measured, facts=facts, sentence=sentence)
        )
        before = name
    return results


def _settings(
    part: str, rung: str, precision: str, clip: Path, classifier: SwitchedClassifier
) -> dict[str, Setting]:
    return {
        "part": part,
        "rung": rung,
        "model": classifier.models[precision].name,
        "segments": classifier.segments,
        "views": classifier.views,
        "clip": clip.name,
    }


def _measurements(
    part: Part, times_ms: Mapping[str, list[list[float]]], name: str, before: str
) -> tuple[Measurement, ...]:
    """Return the time of a rung, and how many times faster it is than the first and than the one before."""
    count = part.rungs[name].count
    each = {rung: _medians(repeats, part.rungs[rung].count) for rung, repeats in times_ms.items()}
    took_ms = [[time_ms / count for time_ms in repeat] for repeat in times_ms[name]]
    measured = [median_over_repeats(f"{part.per}_ms", took_ms)]
    first = next(iter(part.rungs))
    for label, base in (("plain", first), ("before", before)):
        if name != first:
            ratios = [a / b for a, b in zip(each[base], each[name], strict=True)]
            measured.append(over_repeats(f"speedup_over_{label}_times", ratios, unit="times", better="higher"))
    return tuple(measured)


def _medians(repeats: list[list[float]], count: int) -> list[float]:
    """Return the median time of one of the `count` pieces of work, in each repeat."""
    return [statistics.median(repeat) / count for repeat in repeats]


def _sentence(part: Part, name: str, measured: tuple[Measurement, ...]) -> str:
    """Return what all switches together gain: the sentence of the last rung."""
    if name != list(part.rungs)[-1] or len(measured) < 2:
        return ""
    time_ms, speedup = measured[0].value or 0.0, measured[1].value or 0.0
    return f"{part.work} takes {time_ms:.1f} ms with {name!r}, {speedup:.2f} times as fast as the plain way."
