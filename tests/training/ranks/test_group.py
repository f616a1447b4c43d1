"""What ranks agree on, by threads in place of processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import USAGE, InputError, PptsnError, ToldElsewhereError, UsageError
from pptsn.training.ranks.agreement import require_alike, require_same
from pptsn.training.ranks.environment import Member, member_of
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import parse_recipe

WAIT_S = 30


class _Threads:
    """Collectives of threads: each call meets those of the others."""

    def __init__(self, shared: dict[int, Any], barrier: threading.Barrier, rank: int) -> None:
        self._shared, self._barrier, self._rank = shared, barrier, rank

    def gather(self, data: Any) -> list[Any]:
        self._shared[self._rank] = data
        self._barrier.wait(WAIT_S)
        found = [self._shared[rank] for rank in sorted(self._shared)]
        self._barrier.wait(WAIT_S)
        return found

    def lowest(self, value: int) -> int:
        return min(self.gather(value))


def by_ranks(count: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """Return what `work` returned, or the error that it raised, in each of `count` ranks."""
    shared: dict[int, Any] = {}
    barrier = threading.Barrier(count)

    def one(rank: int) -> Any:
        member = Member(rank, count, "127.0.0.1:1")
        try:
            return work(Ranks(member, collectives=_Threads(shared, barrier, rank)))  # type: ignore[arg-type]
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_the_whole_list_without_loss_or_doubling(count: int) -> None:
    items = list(range(17))
    shares = [Member(rank, count).share_of(items) for rank in range(count)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    # The first batch of every rank is the batch that one rank alone would have.
    assert sorted(item for share in shares for item in share[:2]) == items[: 2 * count]


@pytest.mark.parametrize("failing", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_where_ranks_fail_all_end_and_rank_0_tells_the_first_reason(failing: tuple[int, ...]) -> None:
    def work(ranks: Ranks) -> None:
        with ranks.together():
            if ranks.rank in failing:
                raise UsageError(f"thing {ranks.rank}", "is wrong", "mend it")

    first, *others = by_ranks(3, work)
    speaker = f"rank {failing[0]}: " if failing[0] else ""
    assert str(first) == f"{speaker}thing {failing[0]}: is wrong; mend it"
    assert not isinstance(first, ToldElsewhereError)
    assert all(isinstance(error, ToldElsewhereError) for error in others)
    assert {error.exit_code for error in (first, *others)} == {USAGE}


def test_where_no_rank_fails_all_go_on() -> None:
    def work(ranks: Ranks) -> str:
        with ranks.together():
            pass
        return "went on"

    assert by_ranks(3, work) == ["went on"] * 3


def test_what_nobody_foresaw_keeps_its_traceback_where_it_was_raised() -> None:
    def work(ranks: Ranks) -> None:
        with ranks.together():
            if ranks.rank == 1:
                raise KeyError("x")

    first, second = by_ranks(2, work)
    assert isinstance(first, PptsnError)
    assert "rank 1" in str(first)
    assert "KeyError" in str(first)
    assert isinstance(second, KeyError)


@pytest.mark.parametrize("lengths", [(2, 2, 2), (3, 2, 2), (2, 3, 3), (0, 1, 1)])
def test_ranks_take_as_many_steps_as_the_one_with_the_fewest_batches(lengths: tuple[int, ...]) -> None:
    def work(ranks: Ranks) -> list[int]:
        return list(ranks.in_step(iter(range(lengths[ranks.rank]))))

    assert by_ranks(3, work) == [list(range(min(lengths)))] * 3


@pytest.mark.parametrize("lengths", [(4, 4, 4), (5, 4, 4), (0, 1, 3), (0, 0, 0)])
def test_ranks_that_go_abreast_have_all_items_and_none_is_far_ahead(lengths: tuple[int, ...]) -> None:
    yielded: list[int] = []

    def work(ranks: Ranks) -> list[int]:
        found = []
        for item in ranks.abreast(iter(range(lengths[ranks.rank]))):
            yielded.append(ranks.rank)
            found.append(item)
        return found

    assert by_ranks(3, work) == [list(range(length)) for length in lengths]
    for end in range(len(yielded)):
        done = [yielded[:end].count(rank) for rank in range(3)]
        behind = min(
            (count for count, length in zip(done, lengths, strict=True) if count < length), default=max(done)
        )
        assert max(done) - behind <= 1


def test_one_rank_alone_goes_through_all_items() -> None:
    assert list(Ranks().abreast(iter("abc"))) == ["a", "b", "c"]


@pytest.mark.parametrize("way", [Ranks.in_step, Ranks.abreast])
def test_a_loader_that_fails_in_one_rank_ends_all(way: Callable[[Ranks, Iterator[int]], Iterator[int]]) -> None:
    def batches(rank: int) -> Iterator[int]:
        yield 0
        if rank == 1:
            raise InputError("clip", "cannot be read")
        yield 1

    first, second = by_ranks(2, lambda ranks: list(way(ranks, batches(ranks.rank))))
    assert str(first) == "rank 1: clip: cannot be read"
    assert isinstance(second, ToldElsewhereError)


def test_ranks_draw_from_streams_of_their_own_and_rank_0_as_one_alone() -> None:
    keys = by_ranks(3, lambda ranks: ranks.stream(5, 6))
    assert keys[0] == Ranks().stream(5, 6)
    draws = [np.random.default_rng(key).random() for key in keys]
    assert len(set(draws)) == 3


def test_ranks_with_other_recipes_or_lists_say_what_differs() -> None:
    def work(**changes: dict[int, Any]) -> Callable[[Ranks], None]:
        def compare(ranks: Ranks) -> None:
            rate = changes.get("rate", {}).get(ranks.rank, 0.01)
            workers = changes.get("workers", {}).get(ranks.rank, 0)
            values = {"data": {"train": "a", "val": "b", "workers": workers}, "optimizer": {"base_rate": rate}}
            require_alike(
                ranks, parse_recipe(values, source="x"), changes.get("lists", {}).get(ranks.rank, "digest")
            )

        return compare

    assert by_ranks(3, work()) == [None] * 3
    assert by_ranks(3, work(workers={2: 4})) == [None] * 3
    first, *_ = by_ranks(3, work(rate={2: 0.02}))
    assert "rank 2: was started with another recipe than rank 0: optimizer.base_rate (0.01 → 0.02)" in str(first)
    first, second, _ = by_ranks(3, work(lists={1: "other"}))
    assert "rank 1: has other lists than rank 0" in str(first)
    assert isinstance(second, ToldElsewhereError)


@pytest.mark.parametrize(
    ("other", "said"),
    [({}, ""), ({"weights": "def"}, "weights (abc → def)"), ({"segments": 3}, "segments (25 → 3)")],
)
def test_ranks_that_measure_another_model_or_otherwise_say_so(other: dict[str, str | int], said: str) -> None:
    def compare(ranks: Ranks) -> None:
        require_same(ranks, {"weights": "abc", "segments": 25, **(other if ranks.rank == 2 else {})})

    first, second, _ = by_ranks(3, compare)
    if not other:
        assert (first, second) == (None, None)
        return
    assert str(first).startswith(f"rank 2: differs from rank 0: {said}; ")
    assert isinstance(second, ToldElsewhereError)


@pytest.mark.parametrize(
    ("environment", "member"),
    [
        ({}, Member()),
        ({"PADDLE_TRAINERS_NUM": "1", "PADDLE_TRAINER_ID": "0"}, Member()),
        (
            {"PADDLE_TRAINERS_NUM": "4", "PADDLE_TRAINER_ID": "3", "PADDLE_MASTER": "10.0.0.1:80"},
            Member(3, 4, "10.0.0.1:80"),
        ),
        (
            {"PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ID": "1", "PADDLE_TRAINER_ENDPOINTS": "a:1,a:2"},
            Member(1, 2, "a:1"),
        ),
    ],
)
def test_a_rank_is_what_the_launcher_says(environment: dict[str, str], member: Member) -> None:
    assert member_of(environment) == member


@pytest.mark.parametrize(
    "changes", [{"PADDLE_TRAINER_ID": "2"}, {"PADDLE_TRAINERS_NUM": "two"}, {"PADDLE_MASTER": "nowhere"}]
)
def test_an_environment_that_makes_no_sense_is_refused(changes: dict[str, str]) -> None:
    environment = {"PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ID": "1", "PADDLE_MASTER": "a:1"}
    with pytest.raises(UsageError, match=r"paddle\.distributed\.launch"):
        member_of({**environment, **changes})
