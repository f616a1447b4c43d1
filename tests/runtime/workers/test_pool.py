"""Pools of processes: order, bounds, crashes, refusals, endings."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.workers import pool as pools
from pptsn.runtime.workers.feed import Exhausted
from pptsn.runtime.workers.pool import Crew, WorkerPool
from pptsn.runtime.workers.slots import FrameSlots
from pptsn.runtime.workers.starting import STALLED
from tests.runtime.workers.jobs import Item, Job, make, raise_unportable, state
from tests.runtime.workers.processes import descriptors, marked_processes
from tests.waiting import wait_until

SLOTS, SLOT_BYTES = 4, 1024


def crashed(job: Job, signal_name: str | None) -> Item:
    return Item(job.number, -1, np.frombuffer(str(signal_name).encode(), np.uint8), True)


def is_last(item: Any) -> bool:
    return isinstance(item, Item) and item.is_last


def a_pool(
    jobs: Iterable[Job],
    workers: int = 2,
    *,
    work: Callable[[Job], Iterable[Any]] = make,
    crashed: Callable[[Job, str | None], Item] = crashed,
    note: Callable[[str], None] | None = None,
    slots: int = SLOTS,
    silence_s: float = 60.0,
) -> WorkerPool[Job, Any]:
    crew = Crew(
        count=workers,
        thing="hands",
        slots=slots,
        slot_bytes=SLOT_BYTES,
        cores=1,
        preload=("numpy", "cv2"),
        silence_s=silence_s,
    )
    return WorkerPool(work, jobs, crew, is_last=is_last, crashed=crashed, note=note)


def taken(feed: Iterable[Item]) -> list[tuple[int, int, bytes]]:
    return [(item.number, item.index, bytes(item.content)) for item in feed]


def expected(jobs: Iterable[Job]) -> list[tuple[int, int, bytes]]:
    return taken(item for job in jobs for item in make(job._replace(pause_s=0, log=None)))


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """Whatever a test does to a pool: no process, no thread and no descriptor outlive it."""
    with a_pool([Job(0)], 1) as warm:  # the server itself stays
        list(warm)
    threads, files, children = set(threading.enumerate()), descriptors(), len(multiprocessing.active_children())
    yield
    assert set(threading.enumerate()) <= threads
    assert len(multiprocessing.active_children()) == children
    assert descriptors() == files


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_items_come_in_the_order_of_the_jobs(workers: int) -> None:
    jobs = [Job(number, items=number % 5, pause_s=0.003 * (number % 3)) for number in range(30)]
    with a_pool(jobs, workers) as pool:
        assert taken(pool) == expected(jobs)
        with pytest.raises(Exhausted):
            pool.get()


def test_the_items_of_a_job_come_before_it_ends(tmp_path: Path) -> None:
    release = tmp_path / "release"
    with a_pool([Job(0, at=2, wait_for=release), Job(1)]) as pool:
        assert [pool.get().index, pool.get().index] == [0, 1]
        with pytest.raises(TimeoutError):
            pool.get(0.05)
        release.touch()
        assert len(list(pool)) == 4


def test_no_process_is_further_ahead_than_its_slots(tmp_path: Path) -> None:
    logs = [tmp_path / str(number) for number in range(2)]
    with a_pool([Job(number, items=500, size=SLOT_BYTES, log=log) for number, log in enumerate(logs)]) as pool:
        pool.get()
        # One more was made and waits for room; the one that was taken is in use still.
        wait_until(lambda: all(log.exists() and log.stat().st_size == SLOTS + 1 for log in logs))
        time.sleep(0.2)
        assert [log.stat().st_size for log in logs] == [SLOTS + 1, SLOTS + 1]
        assert len(list(pool)) == 999


def test_later_jobs_that_fill_their_slots_do_not_keep_the_first_from_ending() -> None:
    jobs = [Job(0, items=40, pause_s=0.01), *(Job(number, items=40) for number in range(1, 6))]
    with a_pool(jobs, 3) as pool:
        assert taken(pool) == expected(jobs)


def test_jobs_without_an_item_are_begun_no_further_than_there_are_processes() -> None:
    begun = []

    def jobs() -> Iterator[Job]:
        for number in range(1000):
            begun.append(number)
            yield Job(number, items=1)

    with a_pool(jobs(), 2) as pool:
        pool.get()
        time.sleep(0.3)
        assert len(begun) <= 1 + 2 * (SLOTS + 1)


def test_an_item_larger_than_a_slot_comes_through_the_pipe_and_takes_as_many() -> None:
    jobs = [Job(0, items=3, size=2 * SLOT_BYTES), Job(1, items=2, size=20 * SLOT_BYTES), Job(2)]
    with a_pool(jobs, 1) as pool:
        assert taken(pool) == expected(jobs)


def test_what_is_taken_lies_in_memory_that_is_used_again() -> None:
    with a_pool([Job(0, items=3)], 1, slots=1) as pool:
        first = pool.get().content
        assert set(first.tolist()) == {0}
        second = pool.get().content
        assert set(second.tolist()) == {1}
        assert set(first.tolist()) == {1}


def test_an_error_is_raised_at_its_turn_with_where_it_was(tmp_path: Path) -> None:
    with a_pool([Job(0, pause_s=0.05), Job(1, error=KeyError("odd")), Job(2)]) as pool:
        assert [pool.get().number for _ in range(4)] == [0, 0, 0, 1]
        with pytest.raises(KeyError, match="odd") as raised:
            pool.get()
    assert "_misbehave" in str(raised.value.__cause__)


def test_an_error_that_cannot_travel_comes_as_its_text() -> None:
    with (
        a_pool([Job(0)], work=raise_unportable) as pool,
        pytest.raises(RuntimeError, match="UnportableError: one two"),
    ):
        pool.get()


def test_an_error_of_the_jobs_is_raised_after_the_items_before_it() -> None:
    def jobs() -> Iterator[Job]:
        yield Job(0)
        raise OSError("no more")

    with a_pool(jobs()) as pool:
        assert [pool.get().index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="no more"):
            pool.get()


def test_items_do_not_wait_for_a_job_that_is_not_there_yet() -> None:
    release = threading.Event()

    def jobs() -> Iterator[Job]:
        yield Job(0)
        release.wait(20)

    with a_pool(jobs()) as pool:
        assert [pool.get(10).index for _ in range(3)] == [0, 1, 2]
        assert not release.is_set()
        release.set()
        assert list(pool) == []


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_costs_its_job_alone(workers: int, number: signal.Signals) -> None:
    jobs = [Job(job, crash=number if job in (2, 3, 9) else None, items=2) for job in range(12)]
    with a_pool(jobs, workers) as pool:
        found = taken(pool)
    plain = expected(job for job in jobs if job.crash is None)
    assert [item for item in found if item[0] not in (2, 3, 9)] == plain
    # What a job had made before it crashed may have come, or be lost; its end is told once.
    assert [item for item in found if item[1] < 0] == [(job, -1, number.name.encode()) for job in (2, 3, 9)]
    assert [item[0] for item in found] == sorted(item[0] for item in found)


def test_a_crash_after_the_last_item_of_a_job_costs_nothing() -> None:
    jobs = [Job(number, crash=signal.SIGKILL if number % 2 else None, at=3) for number in range(6)]
    with a_pool(jobs, 2) as pool:
        assert taken(pool) == expected(job._replace(crash=None) for job in jobs)


def test_processes_killed_at_random_lose_no_other_job_and_double_none() -> None:
    chance = random.Random(4)
    jobs = [Job(number, items=4, pause_s=0.004) for number in range(120)]
    kills = 0
    found = []
    with a_pool(jobs, 4) as pool:
        for item in pool:
            found.append((item.number, item.index))
            children = [child.pid for child in multiprocessing.active_children() if child.name == "hands"]
            if chance.random() < 0.06 and children and kills < 15:
                os.kill(chance.choice(children), signal.SIGKILL)
                kills += 1
    lost = {number for number, index in found if index < 0}
    assert kills >= 10
    assert 0 < len(lost) <= kills
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert [item for item in found if item[0] not in lost] == [
        (number, index) for number in range(120) if number not in lost for index in range(4)
    ]


def test_what_the_crash_of_a_job_raises_is_raised_at_its_turn() -> None:
    def refuse(job: Job, signal_name: str | None) -> Item:
        raise PptsnError("hands", f"one died ({signal_name})")

    with a_pool([Job(0), Job(1, crash=signal.SIGKILL, at=0)], crashed=refuse) as pool:
        assert [pool.get().number for _ in range(3)] == [0, 0, 0]
        with pytest.raises(PptsnError, match=r"hands: one died \(SIGKILL\)"):
            pool.get()


def test_leaving_early_is_quick() -> None:
    with a_pool([Job(number, items=10**6) for number in range(9)], 3) as pool:
        pool.get()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10


def test_an_exception_of_the_taker_ends_the_pool() -> None:
    with pytest.raises(KeyboardInterrupt), a_pool([Job(0, pause_s=60)]) as pool:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            pool.get()
        finally:
            signal.signal(signal.SIGINT, before)


def refuse_after(started: int, monkeypatch: pytest.MonkeyPatch, *, error: Exception) -> None:
    """Let so many processes start, and no more."""
    left = iter(range(started))
    start = pools.start_process

    def start_or_refuse(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise type(error)(*error.args)
        return start(*arguments, **options)

    monkeypatch.setattr(pools, "start_process", start_or_refuse)


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), EOFError()])
def test_fewer_processes_do_where_the_system_refuses_more(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    refuse_after(2, monkeypatch, error=error)
    jobs = [Job(number, pause_s=0.01) for number in range(12)]
    told: list[str] = []
    with a_pool(jobs, 5, note=told.append) as pool:
        assert taken(pool) == expected(jobs)
    assert len(told) == 1
    assert told[0].startswith("fewer than 5 hands, as the system starts no more (")
    assert ("Too many open files" in told[0]) == isinstance(error, OSError)


@pytest.mark.slow
def test_however_many_are_asked_for_descriptors_are_left_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_pool([Job(0)]) as pool:  # starts the fork server, which stays
        taken(pool)
    most = descriptors() + 50
    spare: list[int] = []

    def dawdling(**options: Any) -> FrameSlots:
        slots = FrameSlots(**options)
        time.sleep(0.02)  # in which others would begin, if they could
        spare.append(most - descriptors())
        return slots

    monkeypatch.setattr(pools, "FrameSlots", dawdling)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    told: list[str] = []
    jobs = [Job(number, pause_s=0.1) for number in range(60)]
    try:
        with a_pool(jobs, 40, note=told.append) as pool:
            assert taken(pool) == expected(jobs)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(told) == 1
    assert "Too many open files" in told[0]
    assert 1 < len(spare) < 40
    assert min(spare) >= 8


def test_a_refusal_of_the_first_process_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_after(0, monkeypatch, error=OSError(12, "Cannot allocate memory"))
    with pytest.raises(OSError, match="Cannot allocate"):
        a_pool([Job(0)])


def test_refused_shared_memory_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space"):
        a_pool([Job(0)])


def test_a_system_without_what_slots_need_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd")
    with pytest.raises(OSError, match="has no eventfd"):
        a_pool([Job(0)])


def test_the_loss_of_all_processes_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_after(2, monkeypatch, error=OSError(11, "Resource temporarily unavailable"))
    jobs = [Job(0, crash=signal.SIGKILL, at=0), Job(1, crash=signal.SIGKILL, at=0), Job(2)]
    told: list[str] = []
    with a_pool(jobs, 2, note=told.append) as pool:
        assert [pool.get().index, pool.get().index] == [-1, -1]
        with pytest.raises(
            PptsnError, match=r"^hands: none is left, and none can be started \(Resource.*use fewer"
        ):
            pool.get()


def test_fewer_threads_do_where_the_system_refuses_more(monkeypatch: pytest.MonkeyPatch) -> None:
    start, hands = threading.Thread.start, []

    def start_or_refuse(thread: threading.Thread) -> None:
        if thread.name == "hands":
            hands.append(thread)
            if len(hands) > 1:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_refuse)
    jobs = [Job(number) for number in range(6)]
    told: list[str] = []
    with a_pool(jobs, 3, note=told.append) as pool:
        assert taken(pool) == expected(jobs)
    assert len(told) == 1
    assert "can't start new thread" in told[0]


def test_a_process_of_multiprocessings_own_is_refused() -> None:
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_try_a_pool, args=(sending,), daemon=True)
    process.start()
    assert receiving.recv() == "a process of multiprocessing's may start none"
    process.join(10)
    process.close()
    receiving.close()
    sending.close()


def _try_a_pool(answer: Any) -> None:
    try:
        a_pool([Job(0)])
    except OSError as error:
        answer.send(str(error))


def test_a_process_uses_its_share_and_leaves_stopping_to_the_main_one() -> None:
    with a_pool([Job(0)], 1, work=state) as pool:
        (found,) = list(pool)
    assert (found["cores"], found["opencv"], found["ignored"]) == (1, 1, [True, True, True])
    assert found["outputs"] == {os.devnull}, "a reader of the program's output would wait for it"


SCRIPT = """
import sys, time
sys.path[:0] = [{root!r}]
from tests.runtime.workers.test_pool import a_pool
from tests.runtime.workers.jobs import Job
pool = a_pool([Job(number, items=1000) for number in range(8)], 3)
print(pool.get()[:2], flush=True)
{ending}
"""


ENDINGS = [
    ("sys.exit()", None),  # without closing anything
    ("raise SystemExit(pool.close())", None),
    ("time.sleep(60)", signal.SIGTERM),
    ("time.sleep(60)", signal.SIGKILL),
    ("time.sleep(60)", signal.SIGINT),
]


@pytest.mark.parametrize(
    ("ending", "number", "piped"),
    [
        pytest.param(*ending, piped, marks=() if piped == place % 2 else pytest.mark.slow)
        for place, ending in enumerate(ENDINGS)
        for piped in (True, False)
    ],
)
def test_no_process_outlives_the_program(
    ending: str, number: signal.Signals | None, piped: bool, tmp_path: Path
) -> None:
    """It needs no `__main__` guard either, and may be read from a pipe."""
    root = str(Path(__file__).resolve().parents[3])
    mark = f"pool-{os.getpid()}-{time.monotonic_ns()}"
    environment = {**os.environ, "PYTHONPATH": root, "PPTSN_TEST_MARK": mark}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=root, ending=ending))
    with subprocess.Popen(
        [sys.executable, "-" if piped else script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        deadline = threading.Timer(60, program.kill)  # or a program that hangs would be waited for
        deadline.start()
        if piped:
            program.stdin.write(script.read_text())
        program.stdin.close()
        assert program.stdout.readline() == "(0, 0)\n"
        if number is not None:
            assert len(marked_processes(mark)) >= 3
            program.send_signal(number)
        assert program.wait() == -(number or 0)
        deadline.cancel()
        wait_until(lambda: marked_processes(mark) == [])
        assert "BrokenPipe" not in program.stderr.read()


def test_a_job_in_which_nothing_gets_on_is_ended_and_one_that_waits_for_room_is_not() -> None:
    told: list[str | None] = []

    def note_signal(job: Job, signal_name: str | None) -> Item:
        told.append(signal_name)
        return crashed(job, signal_name)

    waits_for_room, hangs = Job(0, items=2 * SLOTS), Job(1, pause_s=60)
    with a_pool([waits_for_room, hangs], crashed=note_signal, silence_s=0.8) as pool:
        time.sleep(2.5)  # with nobody to take the items of the first
        items = taken(pool)
    assert told == [STALLED]
    assert items[: 2 * SLOTS] == expected([waits_for_room])
    assert len(items) == 2 * SLOTS + 1
