"""How each of a folder's models does on a device: its accuracy on a labelled list, and its latency."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.classify.recognizer import Recognizer
from pptsn.runtime.engines import Engine
from pptsn.runtime.evaluate.accuracy import Answers, accuracy, same_answers
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.model.file import ModelFile

# Crops a call: a frame of ten-crop, ten frames, a clip of 25.
BATCHES = (5, 50, 125)
_WARM_UP_S = 0.2
_FEWEST_ITERATIONS = 10
# A slow model ends here, with as many iterations as it made.
_LONGEST_S = 30.0


@dataclass(frozen=True)
class Placement:
    """A model file and the device to run it on, as `open_engine` calls it."""

    model: Path
    device: str


def placements(folder: Path, *, cuda: bool) -> list[Placement]:
    """Return all models of `folder` on each device that they are for, the FP32 model on the CPU first.

    cuda: whether ONNX Runtime reaches a GPU.  Plans need a GPU in any case; a model that was quantized for CPUs
    runs on nothing else.
    """
    graphs = sorted(folder.glob("model*.onnx"), key=lambda path: (path.name != "model.onnx", path.name))
    found = [Placement(path, "cpu") for path in graphs]
    found += [Placement(path, "cuda") for path in graphs if cuda and not _is_for_cpus(path)]
    found += [Placement(path, "cuda") for path in sorted(folder.glob("model*.engine"))]
    return found


def _is_for_cpus(model: Path) -> bool:
    try:
        return ModelFile.open(model).quantized_for == "cpu"
    except ModelError:  # opening it will say what is wrong
        return False


def answer(engine: Engine, samples: Sequence[Sample], *, segments: int, views: str) -> Answers:
    """Run `engine` on all of `samples`, as `pptsn classify` does."""
    sources = (sample.path for sample in samples)
    return Answers.of(Recognizer(engine).classify_many(sources, segments=segments, views=views))


def accuracy_figures(found: Answers, reference: Answers | None, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return shares (0..1) over all of `samples`: top1 and top5, in which a clip that cannot be read is wrong.

    agreement: the share of the clips, of those that both read, with the leading class of `reference`; None
    without one.  unreadable: a line a clip.
    """
    right = accuracy(found.leading, [sample.label for sample in samples])
    return {
        "clips": right.clips,
        "top1": right.top1,
        "top5": right.top5,
        "agreement": None if reference is None else _agreement(found, reference),
        "unreadable": [printable(line) for line in found.unreadable.values()],
    }


def _agreement(found: Answers, reference: Answers) -> float | None:
    both = found.leading.keys() & reference.leading.keys()
    return same_answers(found.leading, reference.leading) / len(both) if both else None


def latency(engine: Engine, batch: int, *, seconds: float) -> dict[str, Any]:
    """Time calls of `batch` crops, copies to and from the device included, one after another.

    Warms up for 0.2 s; then for `seconds` and at least ten calls, but no longer than half a minute.
    """
    crops = np.ascontiguousarray(np.resize(drawn_crops(8, engine.spec.crop_size), (batch, *_shape(engine))))
    _times_ms(engine, crops, at_least_s=_WARM_UP_S, at_least=2)
    times_ms = _times_ms(engine, crops, at_least_s=seconds, at_least=_FEWEST_ITERATIONS)
    median, p90, p99 = np.percentile(times_ms, (50, 90, 99)).tolist()
    return {
        "batch": batch,
        "iterations": len(times_ms),
        "median_ms": median,
        "p90_ms": p90,
        "p99_ms": p99,
        "crops_per_s": 1000 * batch * len(times_ms) / sum(times_ms),
    }


def _shape(engine: Engine) -> tuple[int, int, int]:
    return engine.spec.crop_size, engine.spec.crop_size, 3


def _times_ms(engine: Engine, crops: npt.NDArray[np.uint8], *, at_least_s: float, at_least: int) -> list[float]:
    times_ms: list[float] = []
    begun_s = time.perf_counter()
    while (past_s := time.perf_counter() - begun_s) < _LONGEST_S and (
        past_s < at_least_s or len(times_ms) < at_least
    ):
        started_s = time.perf_counter()
        engine.infer(crops)
        times_ms.append(1000 * (time.perf_counter() - started_s))
    return times_ms
