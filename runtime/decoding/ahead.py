"""Decoding ahead of whoever needs the frames: by a thread of this process, or by a pool of others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.decoding.clips import ClipEnd, ClipItem, Source, clip_items, frames_of, name_of
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.workers.feed import Feed
from pptsn.runtime.workers.prefetch import Prefetcher

# Resized frames that wait between decoding and inference; at 256 x 341 one takes 262 kB.
_FRAMES_AHEAD = 16
# The same for each decoder of a pool: a clip of 25 frames with its end, which then waits for its turn whole, and
# the beginning of the next.
_FRAMES_OF_A_DECODER = 32
# Pictures of up to twice as long as wide fit a slot of shared memory.
_ASPECT = 2
_PRELOAD = (
    "pptsn.runtime.decoding.ahead",
    "pptsn.runtime.video.reader",
    "pptsn.runtime.video.folder",
    "pptsn.runtime.workers.worker",
    "cv2",
)


def decoded_ahead(
    sources: Iterable[Source],
    spec: ModelSpec,
    *,
    segments: int,
    rule: str,
    decoders: int = 0,
    note: Callable[[str], None] | None = None,
) -> Feed[ClipItem]:
    """Return what `clip_items` gives for `sources`, decoded ahead of who takes them.

    decoders: processes that decode, or 0 for a thread of this one.  Where the system refuses processes, there are
        fewer, or the thread.  A process that dies costs its clip alone, whose ClipEnd says so.
    note: told once where there are fewer.
    """
    count = min(decoders, len(sources)) if isinstance(sources, Sized) else decoders
    if count:
        try:
            return _pool(sources, spec, segments=segments, rule=rule, decoders=count, note=note)
        except (OSError, EOFError) as error:
            if note is not None:
                note(f"no decoders, as the system starts no process ({reason_of(error)})")
    return _DecodingThread(sources, spec, segments=segments, rule=rule)


class _DecodingThread(Prefetcher[ClipItem]):
    """Decodes in a thread of this process."""

    def __init__(self, sources: Iterable[Source], spec: ModelSpec, *, segments: int, rule: str) -> None:
        self._left = threading.Event()
        items = clip_items(sources, spec, segments=segments, rule=rule, stop=self._left)
        super().__init__(items, depth=_FRAMES_AHEAD)

    def close(self) -> None:
        """End the thread: who leaves early does not wait for the rest of a long file."""
        self._left.set()
        super().close()


@dataclass(frozen=True)
class _Decode:
    """What a decoder does with a source and its number."""

    spec: ModelSpec
    segments: int
    rule: str

    def __call__(self, numbered: tuple[int, Source]) -> Iterator[ClipItem]:
        clip, source = numbered
        return frames_of(clip, source, self.spec, segments=self.segments, rule=self.rule)


def _pool(
    sources: Iterable[Source],
    spec: ModelSpec,
    *,
    segments: int,
    rule: str,
    decoders: int,
    note: Callable[[str], None] | None,
) -> Feed[ClipItem]:
    from pptsn.runtime.workers.pool import Crew, WorkerPool  # not where no pool is needed

    crew = Crew(
        count=decoders,
        thing="decoders",
        slots=_FRAMES_OF_A_DECODER,
        slot_bytes=spec.short_side**2 * 3 * _ASPECT,
        cores=max(1, available_cores() // decoders),
        preload=_PRELOAD,
    )
    return WorkerPool(
        _Decode(spec, segments, rule), enumerate(sources), crew, is_last=_is_end, crashed=_crashed, note=note
    )


def _is_end(item: ClipItem) -> bool:
    return isinstance(item, ClipEnd)


def _crashed(numbered: tuple[int, Source], signal_name: str | None) -> ClipEnd:
    """Return the end of a clip whose decoder died over it."""
    clip, source = numbered
    how = f"crashed ({signal_name})" if signal_name else "ended unexpectedly"
    error = InputError(name_of(source), f"its decoder {how}", "check the file, or use fewer decoders")
    return ClipEnd(clip, error.thing, time.perf_counter(), 0.0, error=error)
