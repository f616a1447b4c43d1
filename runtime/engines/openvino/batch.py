"""One batch on its way through a model that OpenVINO compiled: memory for its crops, and a request of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import ModelError, engine_closed
from pptsn.runtime.engines.base import Batch, Rows
from pptsn.runtime.engines.openvino.compiling import Compiled
from pptsn.runtime.frames.preprocess import Frame


class OpenVinoBatch(Batch):
    """A batch that is inferred beside others, by as many streams as the model was compiled for.

    rows: crops that it has room for at first.  new_tensor: openvino.Tensor.
    failure: makes an error of what OpenVINO raised.  give_back: takes the batch when it is closed.
    """

    def __init__(
        self,
        compiled: Compiled,
        rows: int,
        crop_size: int,
        *,
        new_tensor: Callable[..., Any],
        failure: Callable[[RuntimeError], ModelError],
        give_back: Callable[[OpenVinoBatch], None],
    ) -> None:
        self._room: Frame = np.empty((rows, crop_size, crop_size, 3), np.uint8)
        super().__init__(self._room)
        self._compiled: Compiled | None = compiled  # whose memory has to outlive the request
        self._request: Any = compiled.model.create_infer_request()
        self._new_tensor, self._failure, self._give_back = new_tensor, failure, give_back

    def take_rows(self, batch_size: int) -> None:
        """Offer `batch_size` rows to who is lent the batch next."""
        if batch_size > len(self._room):
            self._room = np.empty((batch_size, *self._room.shape[1:]), np.uint8)
        self.crops = self._room[:batch_size]

    def _submit(self, count: int) -> None:
        if self._request is None:
            raise engine_closed()
        try:
            self._request.start_async([self._new_tensor(self.crops[:count], shared_memory=True)])
        except RuntimeError as error:
            raise self._failure(error) from error

    def _collect(self, count: int) -> Rows:
        if self._request is None:
            raise engine_closed()
        try:
            self._request.wait()
        except RuntimeError as error:
            raise self._failure(error) from error
        results = [self._request.get_output_tensor(index).data for index in range(2 if self.features else 1)]
        return np.concatenate(results, axis=1)

    def close(self) -> None:
        """Cut work in flight short, and give the batch back to its engine."""
        self._end()
        self._give_back(self)

    def release(self) -> None:
        """Cut work in flight short, and let go of the model."""
        self._end()
        self._request = self._compiled = None

    def _end(self) -> None:
        if self._submitted:
            self._submitted = 0
            self._request.cancel()
            with suppress(RuntimeError):  # that it was cancelled, or what nobody is there to hear
                self._request.wait()
