"""Clips worked on by several processes at once, one result each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import reason_of
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.base.pulse import SILENCE_S, gave_nothing
from pptsn.runtime.workers.pool import Crew, WorkerPool
from pptsn.runtime.workers.starting import STALLED

Job = TypeVar("Job")
Result = TypeVar("Result")

# Results hold no arrays, so a slot is but a place in the queue.
_SLOTS, _SLOT_BYTES = 4, 64
_PRELOAD = ("pptsn.runtime.video.reader", "pptsn.runtime.video.folder", "pptsn.runtime.workers.worker", "cv2")


def in_parallel(
    work: Callable[[Job], Iterator[Result]],
    jobs: Sequence[Job],
    *,
    processes: int,
    lost: Callable[[Job, str], Result],
) -> Generator[Result, None, None]:
    """Yield the result of each of `jobs`, in their order.

    work: yields the one result of a job; it goes to each process once, by pickle.
    processes: how many; 0 works in this one, as does a system that starts none.
    lost: makes the result of a job whose process died or hung over it, and a phrase about that.
    An exception that `work` raises ends all.
    """
    count = min(processes, len(jobs))
    if count:
        try:
            pool = _pool(work, jobs, count, lost)
        except (OSError, EOFError) as error:
            print_note(f"no decoders, as the system starts no process ({reason_of(error)})")
        else:
            with pool:
                yield from pool
            return
    for job in jobs:
        yield from work(job)


def _pool(
    work: Callable[[Job], Iterator[Result]], jobs: Sequence[Job], count: int, lost: Callable[[Job, str], Result]
) -> WorkerPool[Job, Result]:
    def crashed(job: Job, signal_name: str | None) -> Result:
        if signal_name == STALLED:
            return lost(job, gave_nothing(SILENCE_S))
        return lost(
            job, f"its decoder crashed ({signal_name})" if signal_name else "its decoder ended unexpectedly"
        )

    crew = Crew(
        count=count,
        thing="decoders",
        slots=_SLOTS,
        slot_bytes=_SLOT_BYTES,
        cores=max(1, available_cores() // count),
        preload=_PRELOAD,
    )
    return WorkerPool(work, jobs, crew, is_last=lambda result: True, crashed=crashed, note=print_note)
