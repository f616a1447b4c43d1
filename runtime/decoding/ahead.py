"""Decoding ahead of whoever needs the frames: by a thread of this process, or by a pool of others."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sized
from dataclasses import dataclass
from itertools import chain, islice

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.pulse import SILENCE_S, STALLED_REMEDY, TICK_S, Silence, beat, gave_nothing
from pptsn.runtime.decoding.clips import ClipEnd, ClipItem, Given, Labelled, Source, as_source, frames_of, name_of
from pptsn.runtime.decoding.given import Frames
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.workers.feed import Feed
from pptsn.runtime.workers.prefetch import Prefetcher
from pptsn.runtime.workers.starting import STALLED

# Resized frames that wait between decoding and inference; at 256 x 341 one takes 262 kB.
_FRAMES_AHEAD = 16
# The same for each decoder of a pool: a clip of 25 frames with its end, which then waits for its turn whole, and
# the beginning of the next.
_FRAMES_OF_A_DECODER = 32
# Pictures of up to twice as long as wide fit a slot of shared memory.
_ASPECT = 2
_FRAMES_REMEDY = "see why their iterator gives no next one"
_PRELOAD = (
    "pptsn.runtime.decoding.ahead",
    "pptsn.runtime.video.reader",
    "pptsn.runtime.video.folder",
    "pptsn.runtime.workers.worker",
    "cv2",
)


def decoded_ahead(
    sources: Iterable[Given],
    spec: ModelSpec,
    *,
    segments: int,
    rule: str,
    accept_damaged: bool = False,
    decoders: int = 0,
    labels: MutableMapping[int, int] | None = None,
    note: Callable[[str], None] | None = None,
) -> Feed[ClipItem]:
    """Return what `clip_items` gives for `sources`, decoded ahead of who takes them.

    decoders: processes that decode, or 0 for a thread of this one.  Where the system refuses processes, there are
        fewer, or the thread.  A process that dies costs its clip alone, whose ClipEnd says so.
        Frames of this process are for its thread.  It takes all sources where there are frames in a list, or first
        in another iterable; the ClipEnd of those that come after files that processes decode says so.
    labels: given the label of each clip that is Labelled, by its number, before any item of it comes.
    note: told once where there are fewer.
    """
    decode = _Decode(spec, segments, rule, accept_damaged)
    count = min(decoders, len(sources)) if isinstance(sources, Sized) else decoders
    sources, has_frames = _looked_at(sources) if count else (sources, False)
    numbered = _numbered(sources, {} if labels is None else labels)
    if count and not has_frames:
        try:
            return _pool(numbered, decode, decoders=count, note=note)
        except (OSError, EOFError) as error:
            if note is not None:
                note(f"no decoders, as the system starts no process ({reason_of(error)})")
    return _DecodingThread(numbered, decode)


def _looked_at(sources: Iterable[Given]) -> tuple[Iterable[Given], bool]:
    """Return `sources`, and whether they hold frames, in a list or tuple; or begin with them, in others."""
    if isinstance(sources, (list, tuple)):
        return sources, any(isinstance(as_source(source), Frames) for source in sources)
    left = iter(sources)
    first = list(islice(left, 1))
    return chain(first, left), _looked_at(first)[1]


def _numbered(sources: Iterable[Given], labels: MutableMapping[int, int]) -> Iterator[tuple[int, Source]]:
    for clip, given in enumerate(sources):
        if isinstance(given, Labelled):
            labels[clip] = given.label
        yield clip, as_source(given, name=f"clip {clip}")


@dataclass(frozen=True)
class _Decode:
    """What a decoder does with a source and its number."""

    spec: ModelSpec
    segments: int
    rule: str
    accept_damaged: bool

    def __call__(self, numbered: tuple[int, Source], stop: threading.Event | None = None) -> Iterator[ClipItem]:
        clip, source = numbered
        return frames_of(
            clip,
            source,
            self.spec,
            segments=self.segments,
            rule=self.rule,
            accept_damaged=self.accept_damaged,
            stop=stop,
        )


class _DecodingThread(Feed[ClipItem]):
    """Decodes in a thread of this process; one that gets nothing from a file is left behind for another."""

    def __init__(self, numbered: Iterator[tuple[int, Source]], decode: _Decode) -> None:
        self._sources = numbered
        self._decode = decode
        self._start()

    def _start(self) -> None:
        self._left = threading.Event()
        self._under_way: tuple[int, Source] | None = None
        self._silence = Silence()
        self._ahead = Prefetcher(self._items(self._left), depth=_FRAMES_AHEAD)

    def _items(self, left: threading.Event) -> Iterator[ClipItem]:
        for numbered in self._sources:
            beat()
            self._under_way = numbered
            yield from self._decode(numbered, stop=left)
            self._under_way = None

    def get(self, timeout_s: float | None = None) -> ClipItem:
        """Return the next item, see Feed; the end of a clip whose file gives nothing."""
        left_s = math.inf if timeout_s is None else timeout_s
        while True:
            wait_s = min(left_s, TICK_S)
            try:
                item = self._ahead.get(wait_s)
            except TimeoutError:
                left_s -= wait_s
                if self._silence.tick(wait_s) and self._under_way is not None:
                    return self._leave(self._under_way)
                if left_s <= 0:
                    raise
            else:
                self._silence.reset()
                return item

    def _leave(self, numbered: tuple[int, Source]) -> ClipEnd:
        """Leave the thread behind, begin another with the clips after its own, and return the end of that."""
        limit_s = self._silence.limit_s
        self._left.set()
        self._ahead.leave()
        self._start()
        return _stalled(numbered, limit_s)

    def close(self) -> None:
        """End the thread: who leaves early does not wait for the rest of a long file."""
        self._left.set()
        self._ahead.close()


def _pool(
    numbered: Iterator[tuple[int, Source]], decode: _Decode, *, decoders: int, note: Callable[[str], None] | None
) -> Feed[ClipItem]:
    from pptsn.runtime.workers.pool import Crew, WorkerPool  # not where no pool is needed

    crew = Crew(
        count=decoders,
        thing="decoders",
        slots=_FRAMES_OF_A_DECODER,
        slot_bytes=decode.spec.short_side**2 * 3 * _ASPECT,
        cores=max(1, available_cores() // decoders),
        preload=_PRELOAD,
    )
    return WorkerPool(decode, map(_to_be_sent, numbered), crew, is_last=_is_end, crashed=_crashed, note=note)


def _to_be_sent(numbered: tuple[int, Source]) -> tuple[int, Source]:
    """Return what a decoder gets: in place of frames of this process, why it gets none."""
    clip, source = numbered
    if isinstance(source, Frames):
        cause = "is frames, and comes after files that other processes decode"
        return clip, InputError(source.name, cause, "give decoders=0, or frames first")
    return numbered


def _is_end(item: ClipItem) -> bool:
    return isinstance(item, ClipEnd)


def _stalled(numbered: tuple[int, Source], seconds: float) -> ClipEnd:
    """Return the end of a clip whose file gave nothing for so long."""
    clip, source = numbered
    remedy = _FRAMES_REMEDY if isinstance(source, Frames) else STALLED_REMEDY
    error = InputError(name_of(source), gave_nothing(seconds), remedy)
    return ClipEnd(clip, error.thing, time.perf_counter(), 0.0, error=error)


def _crashed(numbered: tuple[int, Source], signal_name: str | None) -> ClipEnd:
    """Return the end of a clip whose decoder died over it."""
    if signal_name == STALLED:
        return _stalled(numbered, SILENCE_S)
    clip, source = numbered
    how = f"crashed ({signal_name})" if signal_name else "ended unexpectedly"
    error = InputError(name_of(source), f"its decoder {how}", "check the file, or use fewer decoders")
    return ClipEnd(clip, error.thing, time.perf_counter(), 0.0, error=error)
