"""Memory that a capture process and the pipeline share, parted into slots of one frame each."""

from __future__ import annotations

import ctypes
from multiprocessing.context import ForkServerContext

import numpy as np

from runtime.preprocess import Frame


class FrameSlots:
    """`count` slots of `slot_bytes` bytes.  The process that captures fills them; the pipeline frees them.

    Frames stay where they were put: nothing is copied between the two processes.  The slots may be freed in any
    order.  Handed to the process when it is started.
    """

    def __init__(self, context: ForkServerContext, *, count: int, slot_bytes: int) -> None:
        self._slot_bytes = slot_bytes
        self._memory = context.RawArray(ctypes.c_uint8, count * slot_bytes)
        self._taken = context.RawArray(ctypes.c_uint8, count)
        self._free = context.Semaphore(count)

    def take(self, timeout_s: float) -> int | None:
        """Return a free slot, which is taken from now on; None where there was none within `timeout_s`."""
        if not self._free.acquire(timeout=timeout_s):
            return None
        slot = bytes(self._taken).index(0)
        self._taken[slot] = 1
        return slot

    def fits(self, pixels: Frame) -> bool:
        """Whether `pixels` fit into a slot."""
        return pixels.nbytes <= self._slot_bytes

    def view(self, slot: int, height: int, width: int) -> Frame:
        """Return the (height, width, 3) uint8 pixels in `slot`: the shared memory itself, until it is freed."""
        start = slot * self._slot_bytes
        flat = np.frombuffer(memoryview(self._memory), np.uint8, count=height * width * 3, offset=start)
        return flat.reshape(height, width, 3)

    def free(self, slot: int) -> None:
        """Give `slot` back to the process that captures."""
        self._taken[slot] = 0
        self._free.release()
