"""Memory that two processes share, some of it had only when it is needed."""

from __future__ import annotations

import errno
import os

import pytest

from pptsn.runtime.workers import slots as slots_module
from pptsn.runtime.workers.slots import FrameSlots

BYTES = 65536


def allocated(slots: FrameSlots) -> int:
    return os.fstat(slots._memory_fd).st_blocks * 512


@pytest.mark.parametrize("standing", [None, 0, 1, 3, 9])
def test_slots_get_their_memory_when_they_are_first_taken(standing: int | None):
    with FrameSlots(count=8, slot_bytes=BYTES, standing=standing) as slots:
        begins = 8 if standing is None else min(standing, 8)
        assert allocated(slots) // BYTES == begins
        taken = [slots.take(0) for _ in range(8)]
        assert taken == list(range(8))
        assert slots.take(0) is None
        assert allocated(slots) // BYTES == 8
        for number in (5, 2):
            slots.free(number)
        assert [slots.take(0), slots.take(0)] == [2, 5]  # the first: few that are in use take little memory


def test_a_slot_without_memory_is_none(monkeypatch: pytest.MonkeyPatch):
    with FrameSlots(count=3, slot_bytes=BYTES, standing=1) as slots:

        def full(*_: int) -> None:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(slots_module.os, "posix_fallocate", full)
            assert [slots.take(0) for _ in range(3)] == [0, None, None]
        assert [slots.take(0), slots.take(0), slots.take(0)] == [1, 2, None]
