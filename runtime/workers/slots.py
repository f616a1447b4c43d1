"""Memory that a process shares with the one that started it, parted into slots of one frame each.

Kept by hand: `multiprocessing.shared_memory` makes named files in /dev/shm, which is 64 MB in a container and
keeps what a killed process leaves there.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import threading
from multiprocessing.reduction import DupFd

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.temporary import unnamed_file
from pptsn.runtime.frames.preprocess import Frame

_FREE, _TAKEN = 0, 1


class FrameSlots(Closing):
    """`count` slots of `slot_bytes` bytes.  One process takes and fills them, the one that started it frees them.

    Frames stay where they were put: nothing is copied between the two processes.  The slots may be freed in any
    order, by any thread.  Handed to the process when it is started.  The memory has no name and no limit but the
    machine's own, unlike /dev/shm, of which a container has 64 MB; raises OSError where there is none left, and on
    systems other than Linux.

    standing: slots that have their memory from the beginning; the others get it when they are first taken, so that
    what is rarely needed costs nothing until then.  None: all.
    """

    def __init__(self, *, count: int, slot_bytes: int, standing: int | None = None) -> None:
        if not hasattr(os, "eventfd"):
            raise OSError(errno.ENOSYS, "it has no eventfd")
        self.count, self.slot_bytes = count, slot_bytes
        self._standing = count if standing is None else min(standing, count)
        self._closing = threading.Lock()  # a descriptor that is closed may soon be somebody else's
        self._memory_fd = unnamed_file("pptsn-frames")
        self._free_fd = -1
        try:
            os.posix_fallocate(self._memory_fd, count * slot_bytes, count)
            if self._standing:
                os.posix_fallocate(self._memory_fd, 0, self._standing * slot_bytes)
            # Counts the free slots; a read takes one.
            self._free_fd = os.eventfd(count, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._map()
        except BaseException:
            self.close()
            raise

    def _map(self) -> None:
        self._memory = mmap.mmap(self._memory_fd, self.count * self.slot_bytes + self.count)

    def __getstate__(self) -> tuple[int, int, int, object, object]:
        """Return what the process that is being started needs; not for other uses of pickling."""
        return self.count, self.slot_bytes, self._standing, DupFd(self._memory_fd), DupFd(self._free_fd)

    def __setstate__(self, state: tuple[int, int, int, object, object]) -> None:
        self.count, self.slot_bytes, self._standing, memory, free = state
        self._closing = threading.Lock()
        self._memory_fd, self._free_fd = memory.detach(), free.detach()  # type: ignore[attr-defined]
        self._map()

    def take(self, timeout_s: float | None) -> int | None:
        """Return a free slot, the first, which is taken from now on.

        None where there was none within `timeout_s`, or no memory for it.
        """
        poll = select.poll()
        poll.register(self._free_fd, select.POLLIN)
        if not poll.poll(None if timeout_s is None else 1000 * timeout_s):
            return None
        os.eventfd_read(self._free_fd)
        states = self.count * self.slot_bytes
        slot = self._memory.find(bytes([_FREE]), states) - states
        if slot >= self._standing and not self._has_memory(slot):
            os.eventfd_write(self._free_fd, 1)
            return None
        self._memory[states + slot] = _TAKEN
        return slot

    def _has_memory(self, slot: int) -> bool:
        """Get the memory of `slot`, unless it has it: writing where there is none would end the process."""
        try:
            os.posix_fallocate(self._memory_fd, slot * self.slot_bytes, self.slot_bytes)
        except OSError:
            return False
        return True

    def fits(self, pixels: Frame) -> bool:
        """Whether `pixels` fit into a slot."""
        return pixels.nbytes <= self.slot_bytes

    def memory(self, slot: int) -> memoryview:
        """Return the bytes of `slot`: the shared memory itself, the taker's until it is freed.

        The memory stays as long as a view of it does, even when the slots are closed.
        """
        start = slot * self.slot_bytes
        return memoryview(self._memory)[start : start + self.slot_bytes]

    def view(self, slot: int, height: int, width: int) -> Frame:
        """Return the (height, width, 3) uint8 pixels in `slot`, see `memory`."""
        flat = np.frombuffer(self.memory(slot), np.uint8, count=height * width * 3)
        return flat.reshape(height, width, 3)

    def free(self, slot: int) -> None:
        """Give `slot` back to the process that takes them; does nothing when the slots are closed."""
        with self._closing:
            if self._free_fd < 0:
                return
            self._memory[self.count * self.slot_bytes + slot] = _FREE
            os.eventfd_write(self._free_fd, 1)

    def close(self) -> None:
        """Give back the descriptors; the memory goes with the last view of it."""
        with self._closing:
            for name in ("_memory_fd", "_free_fd"):
                descriptor = getattr(self, name)
                setattr(self, name, -1)
                if descriptor >= 0:
                    os.close(descriptor)
