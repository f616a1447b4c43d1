"""What PP-TSN minimises: cross entropy with smoothed labels, over inputs and labels that mixup has mixed.

Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.network._paddle import nn, paddle


def cross_entropy(logits: Any, labels: Any, *, smoothing: float = 0.0) -> Any:
    """Return the mean cross entropy of `logits` (B, C) float32 against `labels` (B,) or (B, 1) int64, a scalar.

    smoothing: share of each target that is spread evenly over all classes (Szegedy et al., arXiv 1512.00567):
    the loss is (1 - smoothing) * -log p[label] + smoothing * mean over classes of -log p.
    """
    labels = labels.flatten()
    if smoothing == 0.0:
        return nn.functional.cross_entropy(logits, labels)
    # Written with the original's operators: the same formula otherwise put rounds differently, and three
    # training steps on the reference batch amplify that to a loss 4 % off.
    targets = nn.functional.label_smooth(nn.functional.one_hot(labels, logits.shape[-1]), epsilon=smoothing)
    return nn.functional.cross_entropy(logits, targets, soft_label=True)


def mixup_cross_entropy(
    logits: Any, labels: Any, other_labels: Any, share: float, *, smoothing: float = 0.0
) -> Any:
    """Return the loss of inputs mixed as `share * x + (1 - share) * other_x`, a scalar.

    share * loss(labels) + (1 - share) * loss(other_labels); Zhang et al., arXiv 1710.09412.
    """
    first = cross_entropy(logits, labels, smoothing=smoothing)
    second = cross_entropy(logits, other_labels, smoothing=smoothing)
    return share * first + (1.0 - share) * second


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
