"""What a rank says where a collective of Paddle's fails."""

from __future__ import annotations

import pytest

from pptsn.runtime.base.errors import LOST, PptsnError
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.collectives import Collectives

GLOO = "[/paddle/third_party/gloo/gloo/transport/tcp/pair.cc:5]"
STACK = "C++ Traceback: connection.cc, socket.cc\n----\nError Message Summary:\n----\n"


def lowest_where_it_fails(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def fail(tensor: object, **options: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(paddle.distributed, "all_reduce", fail)
    Collectives(2).lowest(1)


@pytest.mark.parametrize(
    "message",
    [
        f"{GLOO} TIMEOUT self_rank = 0 pair_rank = 1 peer_str = [127.0.0.1]:48038",  # of a rank that was killed
        f"{GLOO} Read error [127.0.0.1]:38272: Connection reset by peer",
        f"{GLOO} Timed out waiting 30000ms for recv operation to complete",
        f"{STACK}ExternalError: NCCL error(2), unhandled system error. ncclSystemError",
        "Broken pipe",
    ],
)
def test_a_connection_that_fails_is_a_rank_that_is_lost(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    with pytest.raises(PptsnError, match="lost the connection to another rank") as caught:
        lowest_where_it_fails(monkeypatch, message)
    assert caught.value.exit_code == LOST


@pytest.mark.parametrize("message", [f"{STACK}InvalidArgumentError: the shapes differ", "out of memory"])
def test_whatever_else_fails_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        lowest_where_it_fails(monkeypatch, message)
    assert str(caught.value) == message
