"""What every inference engine offers: logits for a batch of uint8 crops."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from runtime.closing import Closing
from runtime.preprocess import Frame
from runtime.spec import ModelSpec

Logits = npt.NDArray[np.float32]


class Engine(Closing, ABC):
    """A loaded model.  One thread uses it at a time; it is a context manager, and `close` may be called twice.

    spec: what the model is.
    description: backend, version and device, for people.
    batch_size: the number of crops a call at which this engine is fastest; any other number works too.
    """

    spec: ModelSpec
    description: str
    batch_size: int

    def infer(self, crops: Frame) -> Logits:
        """Return the logits (N, C) float32 of `crops` (N, S, S, 3) uint8 RGB, N >= 1.

        The result is a new array.  With `spec.mirror` each row is the mean over the crop and its mirror image.
        Raises ValueError for another shape or dtype, which is a mistake of the calling code.
        """
        size = self.spec.crop_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3) or len(crops) == 0:
            raise ValueError(
                f"crops are {crops.shape} {crops.dtype}, expected (N, {size}, {size}, 3) uint8, N >= 1"
            )
        return self._infer(crops)

    @abstractmethod
    def _infer(self, crops: Frame) -> Logits:
        """Do what `infer` promises, for arguments that were checked."""

    @abstractmethod
    def close(self) -> None:
        """Release the model and its memory."""
