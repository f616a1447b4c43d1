"""A process of a pool: it does one job after another, and hands over what they make."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pptsn.runtime.base.cores import limit_cores
from pptsn.runtime.base.memory import return_freed_memory
from pptsn.runtime.base.pulse import SILENCE_S, TICK_S, Silence, beat
from pptsn.runtime.workers.slots import FrameSlots
from pptsn.runtime.workers.starting import end_with_parent, ignore_stop_signals, let_go_of_program

# Arrays begin at multiples of this many bytes.
_ALIGNMENT = 64
_PICKLE_PROTOCOL = 5


@dataclass(frozen=True)
class Made:
    """One item of a job.

    slots: those that it takes up until it is given back; one or more.
    pickled: the item, but for what lies in the first slot: blocks of `sizes` bytes, each at the next place that is
        aligned.
    """

    slots: tuple[int, ...]
    pickled: bytes
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Done:
    """The job has made its last item.  error: what ended it; trace: where, as text."""

    error: Exception | None = None
    trace: str = ""


@dataclass(frozen=True)
class Silent:
    """Nothing gets on in the job: its process is given up, whether or not the system can end it."""


def run_worker(
    connection: Connection,
    slots: FrameSlots,
    work: Callable[[Any], Iterable[object]],
    cores: int,
    silence_s: float = SILENCE_S,
) -> None:
    """Do the jobs that come over `connection` with `work`, in a process of its own, until it is cut.

    silence_s: for which a job may do nothing (see `pptsn.runtime.base.pulse`) before the process is ended.
    """
    ignore_stop_signals()
    end_with_parent()
    let_go_of_program()
    working = threading.Event()
    threading.Thread(
        target=_end_in_silence, args=(connection, working, silence_s), name="silence", daemon=True
    ).start()
    return_freed_memory()
    gc.freeze()  # what is there now stays; looking through it would copy the memory shared with the fork server
    _share_machine(cores)
    try:
        while True:
            job = connection.recv()
            connection.send(_do(connection, slots, _watched(work, job, working)))
    except (EOFError, OSError):  # nobody is left to work for
        return


def _share_machine(cores: int) -> None:
    import cv2

    limit_cores(cores)
    cv2.setNumThreads(1)


def _watched(work: Callable[[Any], Iterable[object]], job: object, working: threading.Event) -> Iterator[object]:
    """Yield what `work` makes of `job`, with `working` set meanwhile: who waits for room may be silent."""
    working.set()
    try:
        for item in work(job):
            working.clear()
            yield item
            beat()
            working.set()
    finally:
        working.clear()


def _end_in_silence(connection: Connection, working: threading.Event, silence_s: float) -> None:
    """Say so once nothing gets on in this process while it should, and end it.

    Nobody else sends then: the main thread is at work.  It may be in a call to the system that nothing ends.
    """
    silence = Silence(silence_s)
    while True:
        time.sleep(TICK_S)
        if not working.is_set():
            silence.reset()
        elif silence.tick(TICK_S):
            with suppress(OSError):  # nobody is left to hear it
                connection.send(Silent())
            os.kill(os.getpid(), signal.SIGKILL)


def _do(connection: Connection, slots: FrameSlots, items: Iterable[object]) -> Done:
    """Hand over the items of one job, and return how it ended."""
    try:
        for item in items:
            connection.send(pack(item, slots))
    except Exception as error:  # whatever it is, who takes the items shall see it
        return Done(_portable(error), traceback.format_exc())
    return Done()


def _portable(error: Exception) -> Exception:
    """Return `error`, or what stands for it where it does not survive the trip to another process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def pack(item: object, slots: FrameSlots) -> Made:
    """Put the arrays of `item` into a slot, or where they are too large for one, into the message itself.

    Waits until slots are free.  Every item takes one, however small it is, and as many as would hold it if it goes
    into the message: what waits to be taken so has a bound, in number and in bytes, whatever it is.
    """
    blocks: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(item, _PICKLE_PROTOCOL, buffer_callback=blocks.append)
    sizes = tuple(block.raw().nbytes for block in blocks)
    if sum(map(_aligned, sizes)) > slots.slot_bytes:
        pickled = pickle.dumps(item, _PICKLE_PROTOCOL)
        needed = min(slots.count, -(-len(pickled) // slots.slot_bytes))
        return Made(_take(slots, needed), pickled)
    taken = _take(slots, 1)
    memory, start = slots.memory(taken[0]), 0
    for block, size in zip(blocks, sizes, strict=True):
        memory[start : start + size] = block.raw()
        start += _aligned(size)
    return Made(taken, pickled, sizes)


def unpack(made: Made, slots: FrameSlots) -> object:
    """Return the item that `pack` packed; its arrays lie in the slot, and are valid until that is freed."""
    memory, start = slots.memory(made.slots[0]), 0
    blocks = []
    for size in made.sizes:
        blocks.append(memory[start : start + size])
        start += _aligned(size)
    return pickle.loads(made.pickled, buffers=blocks)  # noqa: S301 - by a process of our own


def _take(slots: FrameSlots, count: int) -> tuple[int, ...]:
    taken: list[int] = []
    while len(taken) < count:
        slot = slots.take(None)
        if slot is not None:
            taken.append(slot)
    return tuple(taken)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
