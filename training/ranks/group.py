"""What ranks do together: average gradients, gather what each has, and end together where one of them fails.

Every method is a collective: all ranks call it, in the same order.  A rank that is alone needs no Paddle for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt

from pptsn.runtime.base.errors import UNEXPECTED, PptsnError, ToldElsewhereError
from pptsn.training.profiling.clock import spent_on
from pptsn.training.ranks.environment import Member

if TYPE_CHECKING:
    from pptsn.training.ranks.collectives import Collectives

_Item = TypeVar("_Item")
_FAILED, _OVER, _GOES_ON, _ALL_OVER = 0, 1, 2, 3


class Ranks:
    """The ranks of a job, as one of them, `member`, sees them; without arguments a job of one.

    collectives: None for a rank that is alone.
    device: this rank's own, as recipes name devices; "" for what the recipe says.
    All methods raise PptsnError where another rank is gone, and ToldElsewhereError where rank 0 tells why.
    """

    def __init__(
        self, member: Member | None = None, *, collectives: Collectives | None = None, device: str = ""
    ) -> None:
        self.member, self.device = member or Member(), device
        self.rank, self.count, self.is_first = self.member.rank, self.member.count, self.member.is_first
        self._collectives = collectives

    def stream(self, *key: int) -> list[int]:
        """Return the key of a stream of random numbers of this rank's own; rank 0's is `key` itself."""
        return [*key, self.rank] if self.rank else list(key)

    def average_gradients(self, parameters: Iterable[Any]) -> None:
        """Replace the gradient of each of `parameters` by its mean over the ranks.

        Parameters without a gradient have none in any rank.
        """
        gradients = (parameter.grad for parameter in parameters)
        self.average(gradient for gradient in gradients if gradient is not None)

    def average(self, tensors: Iterable[Any]) -> None:
        """Replace each of `tensors` by its mean over the ranks."""
        if self._collectives is not None:
            with spent_on("ranks"):
                self._collectives.average(tensors)

    def gather(self, value: Any) -> list[Any]:
        """Return the `value` of each rank, in their order; values are what JSON can say."""
        if self._collectives is None:
            return [value]
        return [json.loads(text) for text in self.gather_bytes(json.dumps(value).encode())]

    def gather_bytes(self, data: bytes) -> list[bytes]:
        """Return the `data` of each rank, in their order; its length may differ by rank."""
        if self._collectives is None:
            return [data]
        with spent_on("ranks"):
            return self._collectives.gather(data)

    def first_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return rank 0's `arrays`; the other ranks give arrays of the same names, shapes and types."""
        if self._collectives is None:
            return dict(arrays)
        return {name: self._collectives.first_array(arrays[name]) for name in sorted(arrays)}

    def take_first_state(self, model: Any) -> None:
        """Give `model` the parameters and statistics that it has in rank 0."""
        if self._collectives is not None:
            for value in model.state_dict().values():
                self._collectives.take_first(value)

    def in_step(self, batches: Iterator[_Item]) -> Iterator[_Item]:
        """Yield `batches` while every rank has one; an error of one is every rank's end, see `together`."""
        while True:
            with self._ending_together() as outcome:
                batch = next(batches, None)
                outcome.state = _OVER if batch is None else _GOES_ON
            if batch is None or outcome.lowest == _OVER:
                return
            yield batch

    def abreast(self, items: Iterator[_Item]) -> Iterator[_Item]:
        """Yield all of `items`, of which ranks may have unlike numbers, none of them far ahead of another.

        For work that takes long: Gloo gives up on a rank that comes 30 s later than others to what they do
        together, and Paddle offers no other bound.  An error of one is every rank's end, see `together`.
        """
        while True:
            with self._ending_together() as outcome:
                item = next(items, None)
                outcome.state = _ALL_OVER if item is None else _GOES_ON
            if item is not None:
                yield item
            elif outcome.lowest == _ALL_OVER:
                return

    @contextmanager
    def together(self) -> Iterator[None]:
        """Go on after the block only where no rank has failed in it; it must hold no collective itself.

        Where one has, rank 0 raises its error, with the rank's number, and the others end silently.
        """
        with self._ending_together():
            yield

    @contextmanager
    def _ending_together(self) -> Iterator[_Outcome]:
        outcome = _Outcome()
        error: Exception | None = None
        try:
            yield outcome
        except Exception as failed:
            if self._collectives is None:
                raise
            outcome.state, error = _FAILED, failed
        outcome.lowest = outcome.state
        if self._collectives is not None:
            with spent_on("ranks"):
                outcome.lowest = self._collectives.lowest(outcome.state)
        if outcome.lowest == _FAILED:
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Raise what all ranks end by; `error` is this one's, if it has any."""
        told = self.gather(None if error is None else _as_json(error))
        number = next(rank for rank, each in enumerate(told) if each is not None)
        if error is not None and not isinstance(error, PptsnError):
            raise error  # nobody else has its traceback
        first = told[number]
        kind = PptsnError if self.is_first else ToldElsewhereError
        thing = first["thing"] if number == 0 else f"rank {number}: {first['thing']}"
        ending = kind(thing, first["cause"], first["remedy"])
        ending.exit_code = first["code"]
        raise ending from error


class _Outcome:
    """How a block that all ranks do ended here (state), and in the worst of them (lowest)."""

    def __init__(self) -> None:
        self.state = self.lowest = _GOES_ON


def _as_json(error: Exception) -> dict[str, Any]:
    if isinstance(error, PptsnError):
        return {"thing": error.thing, "cause": error.cause, "remedy": error.remedy, "code": error.exit_code}
    cause = f"failed in a way that nobody foresaw ({type(error).__name__})"
    return {"thing": "a rank", "cause": cause, "remedy": "see its log", "code": UNEXPECTED}
