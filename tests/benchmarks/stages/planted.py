"""A slowdown of known size in one stage, measured in turn with the same pipeline as it is."""

from __future__ import annotations

import functools
import hashlib
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import thread_time
from typing import Any
from unittest.mock import patch

import cv2

import pptsn.runtime.base.stages
import pptsn.runtime.decoding.clips
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.stages.measuring import Subject, measure_stages_in_turn
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.video.container import OpenVideo
from tests.clips import write_clip
from tests.models import tiny_network, tiny_spec

SLOWDOWN = 0.20
STAGES = ("decode", "resize", "compute")

_CROP_SIZE, _SHORT_SIDE = 112, 320
_RUNS_A_REPEAT = 2
_MATTER = bytes(1 << 22)


def plain_and_slowed(
    stage: str, folder: Path, *, repeats: int = 11, clock: Callable[[], float] = thread_time
) -> tuple[Result, Result]:
    """Return where the time goes as it is, and where `stage` (of STAGES) takes 20 % longer.

    Makes a clip and a model in `folder`; in them, each of STAGES takes a millisecond or more a clip.
    clock: what stages are timed by; the processor's time of their own thread, which all of STAGES work in, tells
    the same on a machine that is busy with other things, but nothing of waits.  `perf_counter` is the product's.
    """
    clip = write_clip(folder / "clip.mp4", frames=40, width=192, height=144)
    model = _write_model(folder / "model.onnx")
    method = Method(repeats=repeats, least_s=0.01, least_iterations=_RUNS_A_REPEAT * repeats)
    with open_engine(model, device="cpu", threads=1) as engine:
        plain = Subject(engine=engine, model=model.name, sources=[clip], clips=clip.name)
        slowed = Subject(
            engine=engine,
            model=model.name,
            sources=[clip],
            clips=clip.name,
            around=lambda: _slowed(stage, engine),
        )
        with _opencv_in_one_thread(), patch.object(pptsn.runtime.base.stages, "perf_counter", clock):
            found = measure_stages_in_turn(
                {"plain": plain, "slowed": slowed}, method=method, segments=10, views="ten"
            )
    return found["plain"], found["slowed"]


@contextmanager
def _opencv_in_one_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _write_model(path: Path) -> Path:
    """Write the tiny model for larger crops, so that its run takes a while."""
    spec = tiny_spec(crop_size=_CROP_SIZE, short_side=_SHORT_SIDE)
    graph, spec = compose_deployment(tiny_network(size=_CROP_SIZE), spec, mirror=True)
    write_model(graph, spec, path)
    return path


def _slowed(stage: str, engine: Engine) -> AbstractContextManager[object]:
    if stage == "decode":
        return _slowed_decoder()
    if stage == "resize":
        return patch.object(
            pptsn.runtime.decoding.clips, "resize_frame", _slower(pptsn.runtime.decoding.clips.resize_frame)
        )
    return patch.object(engine, "_infer_batch", _slower(engine._infer_batch))


@contextmanager
def _slowed_decoder() -> Iterator[None]:
    codec_of = OpenVideo.codec.fget  # type: ignore[attr-defined]
    with patch.object(OpenVideo, "codec", property(lambda video: _SlowCodec(codec_of(video)))):
        yield


class _SlowCodec:
    """A decoder that does what PyAV's does, whose methods cannot be replaced, and takes longer."""

    def __init__(self, codec: Any) -> None:
        object.__setattr__(self, "_codec", codec)
        object.__setattr__(self, "decode", _slower(codec.decode))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._codec, name, value)


def _slower(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, with 20 % more work for the processor.

    Work rather than time: on a busy machine it is interrupted as often as the function itself.
    """
    bytes_per_s = _hashing_rate()

    def slowed(*arguments: Any, **options: Any) -> Any:
        started_s = thread_time()
        result = function(*arguments, **options)
        _hash(int(SLOWDOWN * (thread_time() - started_s) * bytes_per_s))
        return result

    return slowed


def _hash(count: int) -> None:
    """Hash `count` bytes: work that lets other threads go on, as decoding and inference do."""
    for at in range(0, count, len(_MATTER)):
        hashlib.sha256(memoryview(_MATTER)[: count - at])


@functools.cache
def _hashing_rate() -> float:
    """Return how many bytes a second of this processor's time hashes."""
    seconds = []
    for _ in range(9):
        started_s = thread_time()
        _hash(len(_MATTER))
        seconds.append(thread_time() - started_s)
    return len(_MATTER) / statistics.median(seconds)
