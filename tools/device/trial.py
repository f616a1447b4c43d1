"""What the trials share: times, and how far logits are from a reference, as results of the section `device`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.benchmarks.measure.method import Method, measure
from pptsn.benchmarks.measure.percentiles import median_over_repeats, over_repeats, percentile
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.recognizer import Recognizer
from tools.program import tell

Settings = Mapping[str, Setting]

# Crops a call: one, a frame of ten-crop, five frames, what ONNX Runtime takes on a GPU, a clip of 25 frames.
SIZES = "1,5,25,64,125"


def device_result(settings: Settings, *measurements: Measurement, **facts: Any) -> Result:
    """Return a result of the section `device`."""
    return Result(section="device", settings=settings, measurements=measurements, facts=facts)


def attempted(settings: Settings, results: Iterable[Result]) -> Iterator[Result]:
    """Yield `results`; whatever goes wrong on a device is a finding in one line, not the end."""
    try:
        yield from results
    except Exception as error:  # libraries of devices have errors of all kinds
        text = " ".join(str(error).split())
        text = text if isinstance(error, PptsnError) else f"{type(error).__name__}: {text}"
        yield Result(section="device", settings=settings, error=text)


def told(results: Iterable[Result]) -> Iterator[Result]:
    """Yield `results`, each told on standard error as it comes."""
    for result in results:
        case = ", ".join(str(value) for value in result.settings.values())
        figures = [f"{m.name} {m.value:.4g}" for m in result.measurements if m.value is not None]
        tell(f"{case}: {result.error or '; '.join(figures)}")
        yield result


def numbers_of(text: str) -> list[int]:
    """Return the numbers in `text`, divided by commas; raises ValueError for what is no number."""
    return [int(part) for part in text.split(",")]


def engine_settings(engine: Engine, model: Path, **more: Setting) -> Settings:
    """Return what tells an engine from others, and `more`."""
    identity = engine.identity
    return {"model": model.name, "precision": identity.precision, "engine": engine.description, **more}


def timed(
    settings: Settings, run: Callable[[], object], method: Method, *, views: int = 0, **facts: Any
) -> Result:
    """Return the median time of `run`, the least, and the views a second where it infers any."""
    times_ms = measure(run, method)
    least = Measurement(name="least_ms", unit="ms", better="lower", value=min(map(min, times_ms)))
    rates = [1000 * views / percentile(repeat, 0.5) for repeat in times_ms]
    rate = [over_repeats("views_per_s", rates, unit="views/s", better="higher")] if views else []
    return device_result(settings, median_over_repeats("time_ms", times_ms), least, *rate, **facts)


def timed_calls(engine: Engine, model: Path, sizes: Iterable[int], method: Method) -> Iterator[Result]:
    """Yield the time of one call for each number of crops, copies to and from the device included."""
    for size in sizes:
        batch, *others = engine.new_batches(size)
        batch.crops[:size] = _crops(engine, size)

        def call(batch: Any = batch, size: int = size) -> None:
            batch.submit(size)
            batch.collect()

        views = size * (2 if engine.spec.mirror else 1)
        yield timed(engine_settings(engine, model, what="call", crops=size), call, method, views=views)
        for lent in (batch, *others):
            lent.close()


def timed_change_of_shape(engine: Engine, model: Path, size: int, method: Method) -> Result:
    """Return the time of a call of `size` crops and one of three fewer, in turn: what a new shape costs."""
    crops = _crops(engine, size)

    def run() -> None:
        engine.infer(crops)
        engine.infer(crops[:-3])

    return timed(engine_settings(engine, model, what="two shapes in turn", crops=size), run, method)


def timed_clip(
    engine: Engine, model: Path, clip: Path, method: Method, *, batch_size: int | None = None
) -> Result:
    """Return the time from a clip's file to its answer, with 25 frames of ten crops."""
    recognizer = Recognizer(engine, batch_size=batch_size)
    decode_ms: list[float] = []

    def run() -> None:
        decode_ms.append(recognizer.classify(clip, segments=25, views="ten").timing.decode_ms)

    settings = engine_settings(engine, model, what="file to answer", crops=batch_size or engine.batch_size)
    result = timed(settings, run, method)
    return device_result(settings, *result.measurements, decode_ms=percentile(decode_ms, 0.5))


def timed_folder(
    engine: Engine, model: Path, clips: list[Path], method: Method, *, decoders: int
) -> Iterator[Result]:
    """Yield the clips a second of many clips, as classified and with less work a clip.

    decoders: processes that decode; 0 for this one.
    """
    recognizer = Recognizer(engine)
    for segments, views in ((25, "ten"), (8, "ten"), (8, "center")):

        def run(segments: int = segments, views: str = views) -> None:
            answers = list(recognizer.classify_many(clips, segments=segments, views=views, decoders=decoders))
            if not any(isinstance(answer, Classification) for answer in answers):
                raise ValueError("no clip could be read")

        work: Settings = {"segments": segments, "views": views, "decoders": decoders}
        settings = engine_settings(engine, model, what="folder", **work)
        times_ms = measure(run, method)
        rates = [1000 * len(clips) / percentile(repeat, 0.5) for repeat in times_ms]
        yield device_result(settings, over_repeats("clips_per_s", rates, unit="clips/s", better="higher"))


def error_of(settings: Settings, logits: Logits, reference: Logits) -> Result:
    """Return how far `logits` (N, C) are from `reference`: the RMS error, of its spread, and the answers kept."""
    error = 100 * float(np.sqrt(np.mean((logits - reference) ** 2)) / reference.std())
    kept = 100 * float((logits.argmax(1) == reference.argmax(1)).mean())
    count = len(reference)
    return device_result(
        settings,
        Measurement(name="rms_error_percent", unit="%", better="lower", value=error, samples=count),
        Measurement(name="answers_kept_percent", unit="%", better="higher", value=kept, samples=count),
    )


def _crops(engine: Engine, count: int) -> Any:
    pictures = drawn_crops(8, engine.spec.crop_size)
    return np.resize(pictures, (count, *pictures.shape[1:]))
