"""What somebody else makes and this thread takes, item by item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from pptsn.runtime.base.closing import Closing

T = TypeVar("T")


class Exhausted(Exception):  # noqa: N818 - an ending, like StopIteration, rather than an error
    """No item is left, and none will come."""


class Feed(Closing, ABC, Generic[T]):
    """Items that are made ahead of the one thread that takes them; a context manager.

    An item's arrays are the taker's until it asks for the next item; who keeps them longer copies them.
    Leaving early is fine: closing ends whatever makes the items.
    """

    @abstractmethod
    def get(self, timeout_s: float | None = None) -> T:
        """Return the next item; raises TimeoutError after `timeout_s`, Exhausted at the end.

        What went wrong in making an item is raised by the call that reaches it.
        """

    def __iter__(self) -> Iterator[T]:
        """Yield the items that are left."""
        while True:
            try:
                item = self.get()
            except Exhausted:
                return
            yield item
