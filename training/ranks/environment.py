"""What Paddle's launcher tells each process that it starts, in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pptsn.runtime.base.errors import UsageError

_Items = TypeVar("_Items", bound=Any)  # a sequence or an array

_RANK, _COUNT, _MASTER = "PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_MASTER"
_FIRST_ENDPOINTS = "PADDLE_TRAINER_ENDPOINTS"


@dataclass(frozen=True)
class Member:
    """One rank of a job of `count`: rank 0 writes and shows, all of them compute.

    master: HOST:PORT where rank 0 waits for the others; "" for a rank that is alone.
    """

    rank: int = 0
    count: int = 1
    master: str = ""

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there are no other ranks."""
        return self.count == 1

    def share_of(self, items: _Items) -> _Items:
        """Return which of `items` are this rank's: the item of its number, and from there on every `count`th.

        The shares of all ranks are all items, each once; their lengths differ by one at most, and the first B of
        every rank are the first B x count of all.
        """
        share: _Items = items[self.rank :: self.count]
        return share


def counted(ranks: int) -> str:
    """Return how many ranks, in words."""
    return "1 rank" if ranks == 1 else f"{ranks} ranks"


def member_of(environment: Mapping[str, str] = os.environ) -> Member:
    """Return which rank of how many `environment` makes this process; without a launcher, the one of one.

    Raises UsageError where it makes no sense.
    """
    count, rank = _number(environment, _COUNT, default=1), _number(environment, _RANK, default=0)
    if count <= 1:
        return Member()
    if rank >= count:
        raise UsageError(_RANK, f"is {rank}, expected less than {_COUNT} ({count})", _REMEDY)
    master = environment.get(_MASTER) or environment.get(_FIRST_ENDPOINTS, "").split(",")[0]
    host, _, port = master.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(_MASTER, f"is {master!r}, expected HOST:PORT", _REMEDY)
    return Member(rank, count, master)


_REMEDY = "start ranks with python -m paddle.distributed.launch"


def _number(environment: Mapping[str, str], name: str, *, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(name, f"is {text!r}, expected a whole number", _REMEDY)
    return int(text)
