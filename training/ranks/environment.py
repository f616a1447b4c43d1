"""What Paddle's launcher tells each process that it starts, in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pptsn.runtime.base.cores import available_cores, limit_cores
from pptsn.runtime.base.errors import UsageError

_Items = TypeVar("_Items", bound=Any)  # a sequence or an array

_RANK, _COUNT, _MASTER = "PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_MASTER"
_BACKEND = "PADDLE_DISTRI_BACKEND"
GLOO = "gloo"
_LOCAL_COUNT = "PADDLE_LOCAL_SIZE"
_FIRST_ENDPOINTS, _CARDS = "PADDLE_TRAINER_ENDPOINTS", "FLAGS_selected_gpus"
_ADDRESS, _PORT = "MASTER_ADDR", "MASTER_PORT"


@dataclass(frozen=True)
class Member:
    """One rank of a job of `count`: rank 0 writes and shows, all of them compute.

    master: HOST:PORT where rank 0 waits for the others; "" for a rank that is alone.  master_from: the variables
    of the environment that say so.
    """

    rank: int = 0
    count: int = 1
    master: str = ""
    master_from: str = field(default="", compare=False)

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


def own_number(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of the rank that `environment` makes this process; 0 without a launcher."""
    return _number(environment, _RANK, default=0)


def device_by_launcher(device: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return `device`, or cpu in place of auto where the launcher has ranks meet by Gloo."""
    return "cpu" if device == "auto" and environment.get(_BACKEND) == GLOO else device


def require_no_ranks() -> None:
    """Raise UsageError in a process that is one of several ranks already: each would start ranks of its own."""
    member = member_of()
    if not member.is_alone:
        cause = f"this is rank {member.rank} of {member.count} already, started by a launcher"
        raise UsageError("--devices", cause, "leave it out, or start the command without the launcher")


def member_of(environment: Mapping[str, str] = os.environ) -> Member:
    """Return which rank of how many `environment` makes this process; without a launcher, the one of one.

    Raises UsageError where it makes no sense.
    """
    count, rank = _number(environment, _COUNT, default=1), own_number(environment)
    if count <= 1:
        return Member()
    if rank >= count:
        raise UsageError(_RANK, f"is {rank}, expected less than {_COUNT} ({count})", _REMEDY)
    master_from, master = _master(environment)
    host, _, port = master.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(master_from, f"is {master!r}, expected HOST:PORT", _REMEDY)
    return Member(rank, count, master, master_from)


def _master(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return which variables name the master, in the order in which Paddle asks them, and what they say."""
    address, port = environment.get(_ADDRESS), environment.get(_PORT)
    if address and port:
        return f"{_ADDRESS}:{_PORT}", f"{address}:{port}"
    if environment.get(_MASTER):
        return _MASTER, environment[_MASTER]
    return _FIRST_ENDPOINTS, environment.get(_FIRST_ENDPOINTS, "").split(",")[0]


def own_card(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of the card that the launcher gives this process; 0 without a launcher."""
    return _number({_CARDS: environment.get(_CARDS, "").split(",")[0]}, _CARDS, default=0)


def share_cores(environment: Mapping[str, str] = os.environ) -> None:
    """Use this rank's share of the cores from now on, where the launcher started more of them on this machine."""
    ranks = _number(environment, _LOCAL_COUNT, default=1)
    if ranks > 1:
        limit_cores(max(1, available_cores() // ranks))


_REMEDY = "start ranks with python -m paddle.distributed.launch"


def _number(environment: Mapping[str, str], name: str, *, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(name, f"is {text!r}, expected a whole number", _REMEDY)
    return int(text)
