"""Where the time goes: named stages of the work, timed while somebody listens.

    with stage(DECODE):
        frames = codec.decode(packet)

A stage's time is its own: what the stages inside it take, in the same thread, is theirs alone, so no time counts
twice.  Some is in no stage, such as that of planning what to decode: all stages add up to most of what the threads
do, not to all of it.  Without a listener a stage costs a fifth of a microsecond, and nothing is kept.

Whoever classifies files goes through all of them, if this process decodes.  Streams, and the decoders of a pool,
are processes of their own, of which a listener hears nothing; it hears of what follows, from the crops on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import TracebackType
from typing import Protocol, TypeVar

T = TypeVar("T")

# What is done to get resized frames, in the order of the work.  demux: opening, seeking, reading packets, and what
# the index learns from them.  colour: to RGB, and upright.
DEMUX, DECODE, COLOUR, RESIZE = "demux", "decode", "colour", "resize"
DECODING = (DEMUX, DECODE, COLOUR, RESIZE)
# What is done with them, by the thread that uses the engine.  crop: cutting views into the batch.  compute: all of
# an engine's work on a batch but for the copies that it can tell apart.  aggregate: adding logits up.  emit:
# writing an answer; timed by whoever owns the sink.
CROP, COPY_IN, COMPUTE, COPY_OUT, AGGREGATE, EMIT = "crop", "copy in", "compute", "copy out", "aggregate", "emit"
INFERENCE = (CROP, COPY_IN, COMPUTE, COPY_OUT, AGGREGATE, EMIT)

# Times that pass without work.  BATCH_WAIT: from when a resized frame is ready until the batch with its first crop
# is submitted; the other two: of the engine's thread, until the next frame is there, and of the decoding thread,
# until a frame, or the end of a clip, is taken from it.
BATCH_WAIT = "batch wait"
FOR_FRAMES, FOR_ROOM = "wait for frames", "wait for room"
WAITS = (BATCH_WAIT, FOR_FRAMES, FOR_ROOM)


class Listener(Protocol):
    """Is told of each stage as it ends, by the thread that did the work: several may call at once."""

    def took(self, name: str, own_s: float) -> None:
        """Take note that one stage, or wait, of this name took `own_s` seconds, stages inside it excluded."""
        ...


_listener: Listener | None = None
_changing = threading.Lock()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of all stages that begin while the block runs; raises RuntimeError where another listens."""
    global _listener
    with _changing:
        if _listener is not None:
            raise RuntimeError("another listener is told of the stages: one at a time")
        _listener = listener
    try:
        yield
    finally:
        with _changing:
            _listener = None


class Timer:
    """A stage that nobody listens to."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def done(self) -> None:
        """Report a stage in parts, whose last part has ended."""


class _Running(Timer):
    """A stage with a listener."""

    __slots__ = ("_in_parts", "_listener", "_name", "_outer", "_own_s", "_started_s")

    def __init__(self, listener: Listener, name: str, *, in_parts: bool = False) -> None:
        self._listener, self._name, self._in_parts = listener, name, in_parts
        self._outer: _Running | None = None
        self._started_s = self._own_s = 0.0

    def __enter__(self) -> None:
        self._outer, _here.innermost = _here.innermost, self
        self._started_s = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took_s = perf_counter() - self._started_s
        outer, self._outer = self._outer, None
        _here.innermost = outer
        self._own_s += took_s
        if outer is not None:
            outer._own_s -= took_s
        if not self._in_parts:
            self.done()

    def done(self) -> None:
        self._listener.took(self._name, self._own_s)


class _Here(threading.local):
    """The stage that this thread is in."""

    innermost: _Running | None = None


_here = _Here()
_SILENT = Timer()


def stage(name: str) -> Timer:
    """Return what times one stage: enter it once.  A stage that an error ends is reported as well."""
    listener = _listener
    return _SILENT if listener is None else _Running(listener, name)


def stage_in_parts(name: str) -> Timer:
    """Return what times one stage that is interrupted by other work: enter it for each part, then call `done`."""
    listener = _listener
    return _SILENT if listener is None else _Running(listener, name, in_parts=True)


def timed(name: str, items: Iterable[T]) -> Iterator[T]:
    """Return an iterator over `items` each of whose steps is a stage, the one that finds the end included."""
    return iter(items) if _listener is None else _timed(name, iter(items))


def _timed(name: str, items: Iterator[T]) -> Iterator[T]:
    while True:
        with stage(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def report_wait(name: str, wait_s: float) -> None:
    """Report a wait that was measured otherwise."""
    listener = _listener
    if listener is not None:
        listener.took(name, wait_s)
