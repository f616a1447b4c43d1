"""Jobs done by several processes at once, and what they make taken in the order of the jobs."""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.util import Finalize
from typing import Any, Generic, TypeVar, cast

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import PptsnError, reason_of
from pptsn.runtime.base.pulse import SILENCE_S
from pptsn.runtime.workers.feed import Exhausted, Feed
from pptsn.runtime.workers.slots import FrameSlots
from pptsn.runtime.workers.starting import STALLED, killed_by, let_go, room_to_start, start_process
from pptsn.runtime.workers.worker import Done, Made, Silent, run_worker, unpack

Job = TypeVar("Job")
Item = TypeVar("Item")

# Before whatever multiprocessing does at the end of the program: it would wait for processes that it cannot end.
_EARLY = 100


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The processes of a pool.

    count: how many, at least 1.  thing: what they are to people, in the plural: "decoders".
    slots: items of each that may wait to be taken.  slot_bytes: of the arrays of one item; larger ones come
        through a pipe.
    cores: those that each may use.
    silence_s: for which a job may do nothing, see `run_worker`.
    preload: modules that their jobs need, see `start_process`.
    """

    count: int
    thing: str
    slots: int
    slot_bytes: int
    cores: int
    preload: tuple[str, ...]
    silence_s: float = SILENCE_S


@dataclass
class _Turn(Generic[Item]):
    """A job that was begun: the items that wait, each with what gives its memory back, and how it ended."""

    items: deque[tuple[Item, Callable[[], None]]] = field(default_factory=deque)
    ended: bool = False
    error: BaseException | None = None


class WorkerPool(Feed[Item], Generic[Job, Item]):
    """Does `jobs` in other processes; its items are those of the first job, then those of the second, and so on.

    work: makes the items of a job; it goes to each process once, and so do the items to this one, by pickle.
    is_last: whether an item is the last of its job: a process that dies after it costs nothing.
    crashed: makes the last item of a job whose process died before, given the signal that ended it, STALLED
        or None; other items of that job may have been taken by then.  What it raises is raised instead.
    note: told at most once, why there are fewer processes than the crew has.

    A job begins when a process is free, in the order of `jobs`, which threads of this process iterate as they go;
    so the job whose turn it is has always begun, and the others wait when their process has filled its slots.
    Items come while their job goes on.  A process that dies is replaced.  All end when the pool is closed, and
    when this process ends, however it does.

    Raises OSError or EOFError where the system refuses the first process.
    """

    def __init__(
        self,
        work: Callable[[Job], Iterable[Item]],
        jobs: Iterable[Job],
        crew: Crew,
        *,
        is_last: Callable[[Item], bool],
        crashed: Callable[[Job, str | None], Item],
        note: Callable[[str], None] | None = None,
    ) -> None:
        self._work, self._crew = work, crew
        self._is_last, self._crashed = is_last, crashed
        self._note = note
        self._jobs: Iterator[Job] = iter(jobs)
        self._asking = threading.Lock()  # over the jobs; never held while somebody waits for an item
        self._changed = threading.Condition()  # over all that follows
        self._turns: deque[_Turn[Item]] = deque()
        self._workers: set[_Worker] = set()
        self._all_begun = self._closed = False
        self._give_back: Callable[[], None] | None = None
        self._left = 0
        self._threads: list[threading.Thread] = []
        first = self._hire()
        self._at_exit = Finalize(None, self._stop, exitpriority=_EARLY)
        self._start_threads(first)

    def _start_threads(self, first: _Worker) -> None:
        """Start a thread for each process; raises OSError where the system refuses the first."""
        for index in range(self._crew.count):
            worker = None if index else first
            thread = threading.Thread(target=self._serve, args=(worker,), name=self._crew.thing, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # so Python says that there is no room for a thread
                if worker is not None:
                    self.close()
                    self._dismiss(worker)
                    raise OSError(str(error)) from error
                self._leave(reason_of(error))
            else:
                self._threads.append(thread)

    def get(self, timeout_s: float | None = None) -> Item:
        """Return the next item, see Feed; raises ValueError once the pool is closed."""
        if self._closed:
            raise ValueError(f"the {self._crew.thing} were let go")
        with self._changed:
            if self._give_back is not None:
                self._give_back()
                self._give_back = None
            if not self._changed.wait_for(self._is_ready, timeout_s):
                raise TimeoutError
            if not self._turns:
                raise Exhausted
            turn = self._turns[0]
            if turn.items:
                item, self._give_back = turn.items.popleft()
                return item
            error, turn.error = turn.error, None
        try:
            raise cast(BaseException, error)
        finally:
            del error  # it holds this frame: together they would stay, and shared memory with them

    def _is_ready(self) -> bool:
        """Whether there is something to return or raise; forgets the turns that are over."""
        while self._turns and self._turns[0].ended and not self._turns[0].items and self._turns[0].error is None:
            self._turns.popleft()
        if self._turns:
            return bool(self._turns[0].items) or self._turns[0].ended
        return self._all_begun

    def close(self) -> None:
        """End the processes, whatever they are doing, and the threads that hear them.

        A thread that waits for the next of `jobs` ends when it comes.
        """
        self._stop()
        for thread in self._threads:
            thread.join()
        self._at_exit.cancel()
        self._turns.clear()
        self._give_back = None

    def _stop(self) -> None:
        """End the processes, and have no more started."""
        with self._changed:
            self._closed = self._all_begun = True
            workers = tuple(self._workers)
        for worker in workers:
            worker.kill()

    def _serve(self, worker: _Worker | None) -> None:
        """Have one process after another do jobs, until there are no more; in a thread of its own."""
        refusal = ""
        try:
            while not self._all_begun:
                if worker is None:  # before a job is taken, which would have to wait where there is no process
                    worker = self._hire()
                begun = self._begin_next()
                if begun is None:
                    break
                if not self._hear_out(worker, *begun):
                    self._dismiss(worker)
                    worker = None
        except (OSError, EOFError) as error:
            refusal = reason_of(error)  # not the error itself, which would hold this frame
        finally:
            if worker is not None:
                self._dismiss(worker)
            self._leave(refusal)

    def _hire(self) -> _Worker:
        """Start a process; raises OSError or EOFError where the system refuses."""
        worker = _Worker(self._work, self._crew)
        with self._changed:
            self._workers.add(worker)
            if self._closed:
                worker.kill()
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        worker.close()
        with self._changed:
            self._workers.discard(worker)

    def _begin_next(self) -> tuple[Job, _Turn[Item]] | None:
        """Take the next job, which has its turn after those before it; None where none is left."""
        with self._asking:
            if self._all_begun:
                return None
            turn: _Turn[Item] = _Turn()
            try:
                job = next(self._jobs)
            except StopIteration:
                self._begin_no_more()
                return None
            except BaseException as error:  # whatever it is, who takes the items shall see it
                self._begin_no_more(error)
                return None
            with self._changed:
                self._turns.append(turn)
            return job, turn

    def _begin_no_more(self, error: BaseException | None = None) -> None:
        """After the last job; `error` is raised when all items before it are taken."""
        with self._changed:
            if error is not None:
                self._turns.append(_Turn(ended=True, error=error))
            self._all_begun = True
            self._changed.notify_all()

    def _hear_out(self, worker: _Worker, job: Job, turn: _Turn[Item]) -> bool:
        """Have `worker` do `job`, and put its items into `turn`; False where it can do no other."""
        is_whole = False
        try:
            worker.send(job)
            while isinstance(message := worker.receive(), Made):
                item = cast(Item, worker.item(message))
                self._add(turn, item, partial(worker.free, message))
                is_whole = self._is_last(item)
            if isinstance(message, Silent):
                self._bury(worker, job, turn, STALLED)
                return False
            self._end(turn, message.error, message.trace)
        except (EOFError, OSError):
            if is_whole:
                self._end(turn, None)
            else:
                self._bury(worker, job, turn)
            return False
        except Exception as error:  # a job that cannot be sent, say
            self._end(turn, error)
            return False
        return True

    def _bury(self, worker: _Worker, job: Job, turn: _Turn[Item], cause: str | None = None) -> None:
        if self._closed:
            return
        try:
            last = self._crashed(job, cause or worker.killed_by())
        except Exception as error:
            self._end(turn, error)
        else:
            self._add(turn, last, _nothing)
            self._end(turn, None)

    def _add(self, turn: _Turn[Item], item: Item, give_back: Callable[[], None]) -> None:
        with self._changed:
            turn.items.append((item, give_back))
            self._changed.notify_all()

    def _end(self, turn: _Turn[Item], error: BaseException | None, trace: str = "") -> None:
        if error is not None and trace:
            error.__cause__ = RuntimeError(f"in another process:\n{trace}")
        with self._changed:
            turn.ended, turn.error = True, error
            self._changed.notify_all()

    def _leave(self, refusal: str) -> None:
        """Note that a thread ends; `refusal`: why it has no process, where jobs may be left, or ""."""
        with self._changed:
            self._left += 1
            is_last = self._left == self._crew.count
            if not refusal or self._all_begun:
                return
            note, self._note = self._note, None
        thing = self._crew.thing
        if is_last:
            cause = f"none is left, and none can be started ({refusal})"
            self._begin_no_more(PptsnError(thing, cause, "use fewer"))
        elif note is not None:
            note(f"fewer than {self._crew.count} {thing}, as the system starts no more ({refusal})")


class _Worker(Closing):
    """One process of a pool; used by one thread, but for `kill` and `free`."""

    def __init__(self, work: Callable[[Any], Iterable[object]], crew: Crew) -> None:
        with room_to_start(), ExitStack() as on_failure:
            self._slots = FrameSlots(count=crew.slots, slot_bytes=crew.slot_bytes)
            on_failure.callback(self._slots.close)
            self._connection, theirs = multiprocessing.Pipe(duplex=True)
            on_failure.callback(self._connection.close)
            with theirs:
                self._process = start_process(
                    run_worker,
                    (theirs, self._slots, work, crew.cores, crew.silence_s),
                    name=crew.thing,
                    preload=crew.preload,
                )
            on_failure.pop_all()
        self._kill = threading.Lock()
        self._has_gone = False

    def send(self, job: object) -> None:
        self._connection.send(job)

    def receive(self) -> Made | Done | Silent:
        """Return the next message; raises EOFError or OSError where the process has gone."""
        message: Made | Done | Silent = self._connection.recv()
        return message

    def item(self, made: Made) -> object:
        """Return an item; its arrays are valid until it is freed, even when the worker is closed."""
        return unpack(made, self._slots)

    def free(self, made: Made) -> None:
        for slot in made.slots:
            self._slots.free(slot)

    def killed_by(self) -> str | None:
        """Return the name of the signal that ended the process, or None."""
        return killed_by(self._process)

    def kill(self) -> None:
        """End the process, which the thread that hears it will notice."""
        with self._kill:
            if not self._has_gone:
                self._process.kill()

    def close(self) -> None:
        """End the process and give back what is held of it."""
        self.kill()
        with self._kill:
            self._has_gone = True
        self._connection.close()
        self._slots.close()
        let_go(self._process)


def _nothing() -> None:
    """Give nothing back."""
