"""How a rank joins the others, and on which device it works."""

from __future__ import annotations

import os

import pytest

from pptsn.runtime.base.errors import LOST, MissingDependencyError, PptsnError
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks import joining
from pptsn.training.ranks.environment import Member

CONNECT = joining._connect  # the real one


@pytest.fixture(autouse=True)
def met(monkeypatch: pytest.MonkeyPatch) -> list[Member]:
    """The ranks that met the others, in a job of two of which this is the second; nobody else is there."""
    for name, value in {
        "PADDLE_TRAINERS_NUM": "2",
        "PADDLE_TRAINER_ID": "1",
        "PADDLE_MASTER": "127.0.0.1:1",
        "PADDLE_DISTRI_BACKEND": "auto",
    }.items():
        monkeypatch.setenv(name, value)
    ranks: list[Member] = []
    monkeypatch.setattr(joining, "_meet", ranks.append)
    monkeypatch.setattr(joining, "_connect", lambda member: None)
    return ranks


def test_a_rank_that_is_to_use_a_card_where_there_is_none_does_not_work_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, met: list[Member]
) -> None:
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: False)
    with pytest.raises(MissingDependencyError, match="device cuda: this Paddle has no CUDA"):
        joining.join("cuda")
    assert not met


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("has_cuda", [False, True])
def test_without_cards_ranks_meet_by_gloo_and_work_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, met: list[Member], device: str, has_cuda: bool
) -> None:
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: has_cuda)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    ranks = joining.join(device)
    assert (ranks.device, ranks.rank, ranks.count) == ("cpu", 1, 2)
    assert os.environ["PADDLE_DISTRI_BACKEND"] == "gloo"
    assert met == [Member(1, 2, "127.0.0.1:1")]


def test_a_rank_that_the_others_leave_as_they_meet_ends_as_one_that_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut() -> None:
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(paddle.distributed, "init_parallel_env", cut)
    with pytest.raises(PptsnError, match="rank 1 of 2 cannot join") as caught:
        CONNECT(Member(1, 2, "127.0.0.1:1"))
    assert caught.value.exit_code == LOST
