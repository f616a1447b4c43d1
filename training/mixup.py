"""Mixup of a batch: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.network._paddle import paddle


@dataclass(frozen=True)
class Mix:
    """How one batch is mixed: row i becomes share * row i + (1 - share) * row partners[i]."""

    share: float
    partners: npt.NDArray[np.int64]

    def apply(self, clips: Any) -> Any:
        """Return the mixed `clips`, a Paddle tensor of the same shape."""
        if self.share == 1.0:
            return clips
        others = paddle.index_select(clips, paddle.to_tensor(self.partners), axis=0)
        return self.share * clips + (1.0 - self.share) * others


def draw_mix(rng: np.random.Generator, rows: int, *, alpha: float) -> Mix:
    """Draw one share from Beta(alpha, alpha) and a partner for each of `rows`; alpha 0 mixes nothing."""
    if alpha == 0:
        return Mix(1.0, np.arange(rows, dtype=np.int64))
    return Mix(float(rng.beta(alpha, alpha)), rng.permutation(rows).astype(np.int64))
