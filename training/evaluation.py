"""Top-1 and top-5 of a checkpoint over a list, as the deployed model would answer: many frames, many views."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError, ModelError, UsageError
from runtime.preprocess import Frame, crop_views, cut_crop, normalise, resize_frame
from runtime.sampling import centre_indices
from runtime.spec import IMAGENET_MEAN, IMAGENET_STD
from runtime.video import open_video
from training._paddle import select_device
from training.dataset import listed_frames
from training.graph import Logits, ViewFunction, view_function
from training.inputs import labels_of
from training.lists import Sample, read_list
from training.metrics import correct_counts
from training.network import PPTSN
from training.progress import Display
from training.recipe import Recipe
from training.weights import apply_checkpoint, read_checkpoint


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out for a list of `clips` clips.

    top1, top5: shares (0..1) of right answers over all clips; a clip that could not be read is wrong.
    class_top1: top-1 of each class, in class order; None for a class without clips.
    views, segments: how it was measured.  unreadable: a line for each clip that could not be read.
    """

    clips: int
    top1: float
    top5: float
    class_top1: tuple[float | None, ...]
    views: str
    segments: int
    unreadable: tuple[str, ...]


def evaluate(
    recipe: Recipe,
    weights: str | Path,
    *,
    views: str | None = None,
    segments: int | None = None,
    display: Display | None = None,
) -> Evaluation:
    """Evaluate the checkpoint `weights` on the list `data.test` of `recipe`.

    views (ten, three, center) and segments (frames a clip) default to the recipe's.
    Raises UsageError without a test list, ModelError for weights of another depth or number of classes, and what
    `read_list` raises; unreadable clips are counted and named.
    """
    if recipe.data.test is None:
        raise UsageError("data.test", "is not set, expected a list file", "pass --set data.test=LIST")
    views, segments = views or recipe.evaluation.views, segments or recipe.evaluation.segments
    crop_views(views, 1, 1, size=1, mirror_in_graph=False)  # refuses unknown views before any work
    display = display or Display()
    select_device(recipe.device)
    labels = labels_of(recipe)
    samples = read_list(
        recipe.data.test, format=recipe.data.format, prefix=recipe.data.prefix, classes=len(labels)
    )
    infer = _view_function(weights, recipe, classes=len(labels))
    tally = _Tally(len(labels))
    with display.bar("evaluating", total=len(samples)) as bar:
        for sample, clip in _clips(samples, recipe, segments):
            if isinstance(clip, InputError):
                tally.add_unreadable(sample.label, str(clip))
            else:
                logits = clip_logits(infer, clip, recipe, views=views)
                tally.add(sample.label, logits)
            bar.advance()
    return tally.result(views=views, segments=segments)


def clip_logits(infer: ViewFunction, frames: Sequence[Frame], recipe: Recipe, *, views: str) -> Logits:
    """Return the mean logits (C,) over the views of resized `frames`, each (H, W, 3) uint8 RGB."""
    size, most = recipe.model.crop_size, recipe.evaluation.batch_crops
    cuts = [
        (frame, view)
        for frame in frames
        for view in crop_views(views, frame.shape[1], frame.shape[0], size=size, mirror_in_graph=False)
    ]
    total: Any = 0.0
    for start in range(0, len(cuts), most):
        part = cuts[start : start + most]
        crops = np.empty((len(part), size, size, 3), np.uint8)
        for (frame, view), out in zip(part, crops, strict=True):
            cut_crop(frame, view, out=out)
        logits = infer(normalise(crops, mean=IMAGENET_MEAN, std=IMAGENET_STD))
        total = total + logits.sum(axis=0, dtype=np.float64)
    return np.asarray(total / len(cuts), np.float32)


class _Tally:
    """Counts right answers, by class."""

    def __init__(self, classes: int) -> None:
        self._clips = np.zeros(classes, np.int64)
        self._right = np.zeros((2, classes), np.int64)
        self._unreadable: list[str] = []

    def add(self, label: int, logits: Logits) -> None:
        self._clips[label] += 1
        self._right[:, label] += correct_counts(logits[None], np.array([label], np.int64))

    def add_unreadable(self, label: int, line: str) -> None:
        self._clips[label] += 1
        self._unreadable.append(line)

    def result(self, *, views: str, segments: int) -> Evaluation:
        clips = int(self._clips.sum())
        top1, top5 = (self._right.sum(axis=1) / clips).tolist()
        by_class = (float(right / n) if n else None for right, n in zip(self._right[0], self._clips, strict=True))
        return Evaluation(
            clips=clips,
            top1=top1,
            top5=top5,
            class_top1=tuple(by_class),
            views=views,
            segments=segments,
            unreadable=tuple(self._unreadable),
        )


def _view_function(weights: str | Path, recipe: Recipe, *, classes: int) -> ViewFunction:
    checkpoint = read_checkpoint(weights, depth=recipe.model.depth, classes=classes)
    if checkpoint.classes is None:
        raise ModelError(weights, "is a backbone without a classifier, expected a full checkpoint")
    model = PPTSN(checkpoint.depth, classes)
    apply_checkpoint(model, checkpoint)
    return view_function(model, crop_size=recipe.model.crop_size)


def _clips(
    samples: Sequence[Sample], recipe: Recipe, segments: int
) -> Iterator[tuple[Sample, list[Frame] | InputError]]:
    """Yield each sample with its resized frames, or why there are none; the next clips decode meanwhile.

    Threads are enough, since decoding and resizing run outside of Python's lock, and cost no start-up.
    """
    ahead = max(recipe.data.workers, 1)
    pending: deque[tuple[Sample, Future[list[Frame] | InputError]]] = deque()
    with ThreadPoolExecutor(ahead) as pool:
        try:
            for sample in samples:
                pending.append((sample, pool.submit(_read, sample, recipe, segments)))
                if len(pending) > ahead:
                    done, future = pending.popleft()
                    yield done, future.result()
            while pending:
                done, future = pending.popleft()
                yield done, future.result()
        finally:
            for _, future in pending:
                future.cancel()


def _read(sample: Sample, recipe: Recipe, segments: int) -> list[Frame] | InputError:
    model = recipe.model

    def choose(available: int) -> list[int]:
        return centre_indices(listed_frames(sample, available), segments)

    def resize(pixels: Frame) -> Frame:
        return resize_frame(pixels, short_side=model.short_side, rule=model.resize_rule)

    try:
        with open_video(sample.path) as video:
            frames = [frame.pixels for frame in video.read_sampled(choose, transform=resize)]
        smallest = min(min(frame.shape[:2]) for frame in frames)
        if smallest < model.crop_size:
            cause = f"has frames with a side of {smallest} px, less than the crop of {model.crop_size}"
            return InputError(sample.path, cause, "leave it out")
        return frames
    except InputError as error:
        return error
