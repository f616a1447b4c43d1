"""Frames of all streams on their way to the engine: a bounded queue for each, taken from in turn."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pptsn.runtime.base.errors import UsageError

if TYPE_CHECKING:
    from pptsn.runtime.frames.preprocess import Frame
    from pptsn.runtime.frames.stamp import FrameStamp

T = TypeVar("T")

# What happens to a frame that finds its queue full, of frames that are due or of bytes.  Those of a burst that are
# not due yet are not late, however many they are.
#   newest: it takes the place of the oldest one that waits; oldest: it is dropped.
# block: its source waits, as soon as so many frames do, due or not.
POLICIES = ("newest", "oldest", "block")
# How often who waits for room looks whether the stream is over.
_POLL_S = 0.1


def check_policy(policy: str) -> None:
    """Raise UsageError for a policy that is none of POLICIES."""
    if not isinstance(policy, str) or policy not in POLICIES:
        raise UsageError("--policy", f"unknown policy {policy!r}", f"choose one of {', '.join(POLICIES)}")


@dataclass(frozen=True, eq=False)
class WaitingFrame:
    """A sampled frame that waits for the engine.

    pixels: (H, W, 3) uint8 RGB, resized; memory of its capture process.  release: gives that memory back, after
    which `pixels` is not to be used any more.
    """

    pixels: Frame
    stamp: FrameStamp
    release: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """How a stream ends: "ended" or "failed", why, and the exit code that this means."""

    state: str
    detail: str
    exit_code: int = 0


@dataclass(frozen=True)
class SessionEnd:
    """All frames of a session have been queued.  outcome: of the stream; None where another session follows."""

    outcome: Outcome | None = None


QueueItem: TypeAlias = "WaitingFrame | SessionEnd"


@dataclass(frozen=True)
class _Waiting(Generic[T]):
    """An item, when it is due, and its bytes; is_frame: or else the end of a session."""

    item: T
    is_frame: bool
    due_s: float = 0.0
    size: int = 0


@dataclass
class _Queue(Generic[T]):
    policy: str
    items: deque[_Waiting[T]] = field(default_factory=deque)
    frames: int = 0
    size: int = 0
    open: bool = True
    has_turn: bool = False


class FrameQueues(Generic[T]):
    """One queue a stream, all under one lock.  Any thread may call any method.

    depth: frames that may wait though they are due, of each stream.  most_bytes: of all its frames, due or not.
    """

    def __init__(self, *, depth: int, most_bytes: float = math.inf) -> None:
        self._depth, self._most_bytes = depth, most_bytes
        self._queues: dict[int, _Queue[T]] = {}
        self._turns: deque[int] = deque()  # streams with something waiting, each once, in the order of their turns
        self._changed = threading.Condition()

    def open(self, stream: int, *, policy: str) -> None:
        """Begin to take frames of `stream`."""
        check_policy(policy)
        with self._changed:
            self._queues[stream] = _Queue(policy)

    def set_policy(self, stream: int, policy: str) -> None:
        """Change the policy of `stream`, if it is open."""
        check_policy(policy)
        with self._changed:
            queue = self._queues.get(stream)
            if queue is not None:
                queue.policy = policy
                self._changed.notify_all()

    def put(self, stream: int, frame: T, *, due_s: float = 0.0, size: int = 0) -> list[T]:
        """Queue `frame`, of `size` bytes; return the frames that were dropped for it, which may be itself alone.

        due_s: from when on it is late, if it still waits (`time.monotonic`); in the order of the frames.
        With the policy `block` it waits for room, or until the stream is closed.
        """
        with self._changed:
            queue = self._queues.get(stream)
            while queue is not None and queue.open and queue.policy == "block" and queue.frames >= self._depth:
                self._changed.wait(_POLL_S)
            if queue is None or not queue.open:
                return [frame]
            dropped: list[T] = []
            while queue.policy != "block" and self._is_full(queue, size):
                if queue.policy == "oldest":
                    return [frame]
                dropped.append(self._drop_oldest(queue))
            self._append(stream, queue, _Waiting(frame, True, due_s, size))
            return dropped

    def put_end(self, stream: int, end: T) -> None:
        """Queue what ends a session: it stays behind its frames, is never dropped, and does not count."""
        with self._changed:
            queue = self._queues.get(stream)
            if queue is not None and queue.open:
                self._append(stream, queue, _Waiting(end, False))

    def take(self, timeout_s: float) -> tuple[int, T]:
        """Return the next stream in turn and what has waited longest in its queue.

        Raises TimeoutError where nothing came within `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._turns:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    if self._turns:
                        break
                    raise TimeoutError
            stream = self._turns.popleft()
            queue = self._queues[stream]
            waiting = queue.items.popleft()
            self._uncount(queue, waiting)
            queue.has_turn = False
            self._give_turn(stream, queue)
            if waiting.is_frame and queue.policy == "block":
                self._changed.notify_all()
            return stream, waiting.item

    def close(self, stream: int) -> list[T]:
        """Forget `stream`; return what still waited.  Who waits to put a frame gets it back."""
        with self._changed:
            queue = self._queues.pop(stream, None)
            if queue is None:
                return []
            queue.open = False
            if queue.has_turn:
                self._turns.remove(stream)
            self._changed.notify_all()
            return [waiting.item for waiting in queue.items]

    def _is_full(self, queue: _Queue[T], size: int) -> bool:
        """Whether there is no room for a frame of `size` bytes; an empty queue has room for any."""
        if queue.frames and queue.size + size > self._most_bytes:
            return True
        now_s = time.monotonic()
        due = itertools.takewhile(lambda waiting: waiting.due_s <= now_s, queue.items)
        return sum(waiting.is_frame for waiting in due) >= self._depth

    def _append(self, stream: int, queue: _Queue[T], waiting: _Waiting[T]) -> None:
        queue.items.append(waiting)
        queue.frames += waiting.is_frame
        queue.size += waiting.size
        self._give_turn(stream, queue)
        self._changed.notify_all()

    def _give_turn(self, stream: int, queue: _Queue[T]) -> None:
        if queue.items and not queue.has_turn:
            queue.has_turn = True
            self._turns.append(stream)

    @staticmethod
    def _uncount(queue: _Queue[T], waiting: _Waiting[T]) -> None:
        queue.frames -= waiting.is_frame
        queue.size -= waiting.size

    def _drop_oldest(self, queue: _Queue[T]) -> T:
        for i, waiting in enumerate(queue.items):
            if waiting.is_frame:
                del queue.items[i]
                self._uncount(queue, waiting)
                return waiting.item
        raise ValueError("no frame waits")
