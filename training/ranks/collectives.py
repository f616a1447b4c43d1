"""Paddle's collectives, as `Ranks` needs them: every rank of the job calls the same ones, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.line import cut_off

# What Gloo, NCCL and sockets say of a connection, below the stack.  Gloo says TIMEOUT of one that was closed, too.
_SUMMARY = "Error Message Summary"
_CUT = re.compile(
    r"/gloo/|timed ?out|time-?out|connection|closed by peer|reset by peer|broken pipe|socket"
    r"|nccl\w*(system|remote|unhandled)",
    re.IGNORECASE,
)


class Collectives:
    """Of a job of `count` ranks that have met.  All methods raise PptsnError where another rank is gone."""

    def __init__(self, count: int) -> None:
        self._count = count

    def average(self, tensors: Iterable[Any]) -> None:
        """Replace each of `tensors` by its mean over the ranks: one sum for all of a type."""
        by_type: dict[str, list[Any]] = {}
        for tensor in tensors:
            by_type.setdefault(str(tensor.dtype), []).append(tensor)
        for alike in by_type.values():
            self._average(alike)

    def _average(self, tensors: Sequence[Any]) -> None:
        with paddle.no_grad(), _connected():
            flat = paddle.concat([tensor.flatten() for tensor in tensors])
            paddle.distributed.all_reduce(flat)
            flat.scale_(1.0 / self._count)
            pieces = paddle.split(flat, [int(tensor.size) for tensor in tensors])
            for tensor, piece in zip(tensors, pieces, strict=True):
                tensor.set_value(piece.reshape(tensor.shape))

    def lowest(self, value: int) -> int:
        """Return the lowest `value` of all ranks."""
        tensor = paddle.to_tensor(np.array([value], np.int64))
        with _connected():
            paddle.distributed.all_reduce(tensor, op=paddle.distributed.ReduceOp.MIN)
            return int(tensor.numpy()[0])

    def gather(self, data: bytes) -> list[bytes]:
        """Return the `data` of each rank, in their order; its length may differ by rank."""
        lengths = [int(length[0]) for length in self._gathered(np.array([len(data)], np.int64))]
        padded = np.zeros(max(*lengths, 1), np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        return [row[:length].tobytes() for row, length in zip(self._gathered(padded), lengths, strict=True)]

    def _gathered(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        found: list[Any] = []
        with _connected():
            paddle.distributed.all_gather(found, paddle.to_tensor(array))
            return [value.numpy() for value in found]

    def first_array(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return rank 0's `array`; all ranks give one of the same shape and type."""
        tensor = paddle.to_tensor(array)
        self.take_first(tensor)
        return np.array(tensor.numpy())

    def take_first(self, tensor: Any) -> None:
        """Give `tensor` the values that it has in rank 0."""
        with paddle.no_grad(), _connected():
            paddle.distributed.broadcast(tensor, src=0)


@contextmanager
def _connected() -> Iterator[None]:
    """Say in one line that another rank is gone, or late: what Paddle raises is a stack of C++.

    Whatever else goes wrong is raised as it is.
    """
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        if not _CUT.search(str(error).rsplit(_SUMMARY, 1)[-1]):
            raise
        cause = "lost the connection to another rank, which has ended, or was waited for too long (Gloo: 30 s)"
        raise cut_off("ranks", cause, "see the ranks' logs for why; go on with --resume") from error
