"""Results as a gallery takes them, without a model: with pictures, evidence and odd names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.evidence import CropLogits
from pptsn.runtime.classify.results import Classification, Failure
from tests.runtime.classify.test_results import classification

LABELS = tuple(f"class {number}" for number in range(20))
CROPS = ("top left", "top right", "bottom left", "bottom right", "centre")


def answered(number: int, *, source: str = "", evidence: bool = True, **changes: object) -> Classification:
    """Return an answer that is drawn by its number: class number % 20 leads."""
    rng = np.random.default_rng(number)
    logits = rng.normal(size=(25, 5, len(LABELS))).astype(np.float32)
    logits[..., number % len(LABELS)] += 3 * rng.random()
    texture = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    kept = CropLogits(logits, tuple(range(0, 100, 4)), tuple(i / 25 for i in range(0, 100, 4)), CROPS)
    values = {
        "source": source or f"clips/group {number % 7}/clip_{number:05d}.mp4",
        "logits": logits.mean(axis=(0, 1)),
        "labels": LABELS,
        "crop_logits": kept if evidence else None,
        "pictures": (texture, texture[::-1], texture[:, ::-1]),
    }
    return classification(**(values | changes))


def broken(number: int) -> Failure:
    """Return a clip that failed."""
    source = f"clips/broken_{number:03d}.mp4"
    return Failure(source, InputError(source, "is empty", "record it again"))


def mixed(clips: int, *, failures: int) -> Iterator[Classification | Failure]:
    """Yield so many results, of which so many failed, evenly spread."""
    every = clips // failures
    for number in range(clips):
        yield broken(number // every) if number % every == 0 else answered(number)
