"""The best epoch of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Best:
    """The epoch, from 1, with the best validation so far: its top-1 (0..1) and its loss; 0 for none yet."""

    epoch: int = 0
    top1: float = -1.0
    loss: float = math.inf

    def or_if_better(self, other: Best) -> Best:
        """Return `other` where it is better: right more often or, as on a small list often, as often and surer."""
        return other if (other.top1, -other.loss) > (self.top1, -self.loss) else self
