"""How a rank finds the others: the meeting at rank 0, and its device."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import time
import warnings

from pptsn.runtime.base.errors import InputError, UsageError, reason_of
from pptsn.runtime.base.progress import notes
from pptsn.training.network._paddle import found_device, paddle, select_device
from pptsn.training.ranks.collectives import Collectives
from pptsn.training.ranks.environment import GLOO, Member, device_by_launcher, member_of, own_card
from pptsn.training.ranks.group import Ranks
from pptsn.training.ranks.line import cut_off, is_supervised

# How long a rank waits for rank 0, which may be importing still or be started by hand on another machine.
MEETING_S = 120.0
_TRY_S, _PAUSE_S = 5.0, 0.2


def join(device: str) -> Ranks:
    """Return the ranks that this process is one of, with its device selected; without a launcher it is alone.

    device: as in recipes: of several ranks, auto and cuda are each one's own card, and cpu joins by Gloo.
    Raises PptsnError where rank 0 cannot be reached or its port is in use, UsageError for a card by number,
    MissingDependencyError for cards that are not there.
    """
    member, device = member_of(), device_by_launcher(device)
    if member.is_alone:
        select_device(device)
        return Ranks(member)
    if device.startswith("cuda:"):
        cause = f"names one card, and there are {member.count} ranks"
        raise UsageError(f"device {device}", cause, "use cuda: the launcher gives each rank its card")
    if found_device(device) == "cpu":
        os.environ["PADDLE_DISTRI_BACKEND"] = GLOO
    _meet(member)
    _connect(member)
    own = _device_of()
    select_device(own)
    notes().print(f"rank {member.rank} of {member.count}: joined the others, on {own}", markup=False)
    return Ranks(member, collectives=Collectives(member.count), device=own)


def _device_of() -> str:
    if os.environ.get("PADDLE_DISTRI_BACKEND") == GLOO:
        return "cpu"
    return f"cuda:{own_card()}"


def _meet(member: Member) -> None:
    """See that the meeting can take place: Paddle itself aborts at a port in use, and waits without an end."""
    host, _, port = member.master.rpartition(":")
    if member.is_first:
        _require_free(member, int(port))
        return
    until = time.monotonic() + MEETING_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=_TRY_S).close()
            return
        except OSError as error:
            if time.monotonic() >= until:
                cause = f"rank {member.rank} cannot reach it ({reason_of(error)}) within {MEETING_S:g} s"
                remedy = "see that rank 0 runs, and that its machine lets others reach this port"
                raise InputError(f"master {member.master}", cause, remedy) from error
        time.sleep(_PAUSE_S)


def _require_free(member: Member, port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError as error:
            cause = f"rank 0 cannot listen there ({reason_of(error)})"
            remedy = f"choose another port: {member.master_from}, by the launcher's --master HOST:PORT"
            if is_supervised():
                remedy = "start it again: each start takes a port that is free then"
            raise InputError(f"master {member.master}", cause, remedy) from error


def _connect(member: Member) -> None:
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            paddle.distributed.init_parallel_env()
    except Exception as error:  # whatever its C++ side has it
        cause = f"rank {member.rank} of {member.count} cannot join ({type(error).__name__})"
        remedy = "see that all ranks are started, and reach one another's ports"
        raise cut_off(f"master {member.master}", cause, remedy) from error
