"""What ranks do together: average gradients, gather what each has, and end together where one of them fails.

Every method is a collective: all ranks call it, in the same order.  A rank that is alone does nothing for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import UNEXPECTED, PptsnError, ToldElsewhere
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.environment import Member

_Item = TypeVar("_Item")
_FAILED, _OVER, _GOES_ON = 0, 1, 2


class Ranks:
    """The ranks of a job, as one of them sees them.

    All methods raise PptsnError where another rank is gone, and ToldElsewhere where rank 0 says what went wrong.
    """

    def __init__(self, member: Member | None = None) -> None:
        self.member = member or Member()
        self.rank, self.count = self.member.rank, self.member.count
        self.is_first, self.is_alone = self.member.is_first, self.member.is_alone

    def stream(self, *key: int) -> list[int]:
        """Return the key of a stream of random numbers of this rank's own; rank 0's is `key` itself."""
        return [*key, self.rank] if self.rank else list(key)

    def average_gradients(self, parameters: Iterable[Any]) -> None:
        """Replace the gradient of each of `parameters` by its mean over the ranks: one sum for all of a type.

        Parameters without a gradient have none in any rank.
        """
        if self.is_alone:
            return
        by_type: dict[str, list[Any]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_type.setdefault(str(parameter.grad.dtype), []).append(parameter.grad)
        for gradients in by_type.values():
            self._average(gradients)

    def _average(self, gradients: Sequence[Any]) -> None:
        with paddle.no_grad(), _connected():
            together = paddle.concat([gradient.flatten() for gradient in gradients])
            paddle.distributed.all_reduce(together)
            together.scale_(1.0 / self.count)
            pieces = paddle.split(together, [int(gradient.size) for gradient in gradients])
            for gradient, piece in zip(gradients, pieces, strict=True):
                gradient.set_value(piece.reshape(gradient.shape))

    def gather(self, value: Any) -> list[Any]:
        """Return the `value` of each rank, in their order; values are what JSON can say."""
        if self.is_alone:
            return [value]
        own = np.frombuffer(json.dumps(value).encode(), np.uint8)
        lengths = self._gathered(np.array([len(own)], np.int64))
        longest = max(int(length[0]) for length in lengths)
        padded = np.zeros(longest, np.uint8)
        padded[: len(own)] = own
        texts = self._gathered(padded)
        return [json.loads(text[: int(n[0])].tobytes()) for text, n in zip(texts, lengths, strict=True)]

    def first_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return rank 0's `arrays`; the other ranks give arrays of the same names, shapes and types."""
        if self.is_alone:
            return dict(arrays)
        return {name: self._from_first(paddle.to_tensor(array)).numpy() for name, array in arrays.items()}

    def take_first_state(self, model: Any) -> None:
        """Give `model` the parameters and statistics that it has in rank 0."""
        if not self.is_alone:
            for value in model.state_dict().values():
                with paddle.no_grad():
                    self._from_first(value)

    def in_step(self, batches: Iterator[_Item]) -> Iterator[_Item]:
        """Yield `batches` for as long as every rank has one; an error of one is every rank's end (see `together`)."""
        while True:
            with self._ending_together() as outcome:
                batch = next(batches, None)
                outcome.state = _OVER if batch is None else _GOES_ON
            if batch is None or outcome.lowest == _OVER:
                return
            yield batch

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
            if self.is_alone:
                raise
            outcome.state, error = _FAILED, failed
        outcome.lowest = self._lowest(outcome.state)
        if outcome.lowest == _FAILED:
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Raise what all ranks end by; `error` is this one's, if it has any."""
        told = self.gather(None if error is None else _as_json(error))
        number = next(rank for rank, each in enumerate(told) if each is not None)
        if error is not None and not isinstance(error, PptsnError):
            raise error  # nobody else has its traceback
        first = told[number]
        kind = PptsnError if self.is_first else ToldElsewhere
        thing = first["thing"] if number == 0 else f"rank {number}: {first['thing']}"
        ending = kind(thing, first["cause"], first["remedy"])
        ending.exit_code = first["code"]
        raise ending from error

    def _lowest(self, state: int) -> int:
        if self.is_alone:
            return state
        value = paddle.to_tensor(np.array([state], np.int64))
        with _connected():
            paddle.distributed.all_reduce(value, op=paddle.distributed.ReduceOp.MIN)
            return int(value)

    def _gathered(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        found: list[Any] = []
        with _connected():
            paddle.distributed.all_gather(found, paddle.to_tensor(array))
            return [value.numpy() for value in found]

    def _from_first(self, value: Any) -> Any:
        with _connected():
            paddle.distributed.broadcast(value, src=0)
        return value


class _Outcome:
    """How a block that all ranks do ended here (state), and in the worst of them (lowest)."""

    def __init__(self) -> None:
        self.state = self.lowest = _GOES_ON


def _as_json(error: Exception) -> dict[str, Any]:
    if isinstance(error, PptsnError):
        return {"thing": error.thing, "cause": error.cause, "remedy": error.remedy, "code": error.exit_code}
    cause = f"failed in a way that nobody foresaw ({type(error).__name__})"
    return {"thing": "a rank", "cause": cause, "remedy": "see its log", "code": UNEXPECTED}


@contextmanager
def _connected() -> Iterator[None]:
    """Say in one line that another rank is gone: what Paddle raises is a stack of C++."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        cause = "lost the connection to another rank, which has ended"
        raise PptsnError("ranks", cause, "see the ranks' logs for why; go on with --resume") from error
