"""The logits that several models give for the same clips, each clip decoded once for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pptsn.convert.verify.runs import Runs, is_export
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.progress import print_note, progress_bar
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.recognizer import Recognizer


def open_model(model: str | Path, runs: Runs, *, mirror: bool = True) -> Engine:
    """Open an export folder (by Paddle), an .onnx file or an .engine; errors as `engines.open_engine`.

    What the engine has to note is printed on standard error.
    mirror: whether an export's crops are averaged with their mirror images; other models say so themselves.
    """
    if is_export(model):
        # Only here, since it brings Paddle.
        from pptsn.convert.verify.export_engine import PaddleExportEngine

        return PaddleExportEngine(model, mirror=mirror)
    engine = open_engine(model, backend=runs.backend, device=runs.device_of(model), optimise=runs.optimise)
    for note in engine.notes:
        print_note(printable(note))
    return engine


@contextmanager
def opened(models: Sequence[str | Path], runs: Runs) -> Iterator[list[Engine]]:
    """Open all of `models` before the first is run, so that what is wrong with the last shows at once.

    Exports average crops with their mirror images where the first other model does, or there is none.
    """
    with ExitStack() as stack:
        engines = {
            index: stack.enter_context(open_model(model, runs))
            for index, model in enumerate(models)
            if not is_export(model)
        }
        mirror = next((engine.spec.mirror for engine in engines.values()), True)
        for index, model in enumerate(models):
            if index not in engines:
                engines[index] = stack.enter_context(open_model(model, runs, mirror=mirror))
        yield [engines[index] for index in range(len(models))]


def infer_in_batches(engine: Engine, crops: Frame) -> Logits:
    """Return the logits of all `crops` (N, S, S, 3), at most a batch of the engine's own size at a time."""
    starts = range(0, len(crops), engine.batch_size)
    return np.concatenate([engine.infer(crops[start : start + engine.batch_size]) for start in starts])


class SideBySide(Engine):
    """Several engines that take the same crops as one: each row is their logits, one engine's after another's.

    So the runtime decodes and crops once for all of them.  It does not close the engines.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        labels = tuple(label for engine in engines for label in engine.spec.labels)
        self._engines = engines
        self.spec = dataclasses.replace(engines[0].spec, labels=labels)
        self.batch_size = max(engine.batch_size for engine in engines)
        self.identity = engines[0].identity

    def _infer(self, crops: Frame) -> Logits:
        return np.concatenate([infer_in_batches(engine, crops) for engine in self._engines], axis=1)

    def split(self, logits: Logits) -> list[Logits]:
        """Return each engine's part (C,) of one row of logits."""
        return np.split(logits, np.cumsum([engine.spec.classes for engine in self._engines])[:-1])

    def close(self) -> None:
        """Do nothing: who opened the engines closes them."""


class ClipLogits(NamedTuple):
    """What several engines gave for clips, by a clip's index; it is in `found` or in `skipped`.

    found: the mean logits (C,) of each engine, in their order.  skipped: why there are none.
    warned: what was odd about some that were found.
    """

    found: dict[int, list[Logits]]
    skipped: dict[int, str]
    warned: dict[int, str]


def clip_logits(engines: Sequence[Engine], sources: Sequence[Source], runs: Runs) -> ClipLogits:
    """Return what `engines` give for the clips `sources`.

    Engines of other frame or crop sizes than the first see the clips in a pass of their own.
    """
    found: list[dict[int, Logits]] = [{} for _ in engines]
    skipped: dict[int, str] = {}
    warned: dict[int, str] = {}
    groups = _groups(engines)
    with progress_bar() as bar:
        task = bar.add_task("verifying", total=len(groups) * len(sources))
        for group in groups:
            together = SideBySide([engines[index] for index in group])
            results = Recognizer(together).classify_many(
                sources,
                segments=runs.segments,
                views=runs.views,
                sampling=runs.sampling,
                decoders=runs.decoders,
                note=print_note,
            )
            for clip, result in enumerate(results):
                bar.advance(task)
                if isinstance(result, Failure) and isinstance(result.error, ModelError):
                    raise result.error  # a model failed, whose other answers prove nothing
                if isinstance(result, Failure):
                    skipped.setdefault(clip, printable(str(result.error)))
                    continue
                if result.warnings:
                    warned[clip] = result.told
                for index, logits in zip(group, together.split(result.logits), strict=True):
                    found[index][clip] = logits
    readable = [clip for clip in range(len(sources)) if clip not in skipped]
    return ClipLogits(
        {clip: [logits[clip] for logits in found] for clip in readable},
        skipped,
        {clip: warned[clip] for clip in readable if clip in warned},
    )


def _groups(engines: Sequence[Engine]) -> list[list[int]]:
    """Return the indices of the engines that take the same crops of the same frames, group by group."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, engine in enumerate(engines):
        spec = engine.spec
        key = (spec.short_side, spec.resize_rule, spec.crop_size, spec.mirror)
        groups.setdefault(key, []).append(index)
    return list(groups.values())
