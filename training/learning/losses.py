"""What PP-TSN minimises: cross entropy with smoothed labels, over inputs and labels that mixup has mixed.

Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import UsageError
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.sections import INVERSE_FREQUENCY

# The loss of a batch or a step, `loss`, and where it is made of parts those, by name.
Losses: TypeAlias = dict[str, float]


def mean_losses(losses: Sequence[Losses]) -> Losses:
    """Return the means of `losses`, one or more, of the same names."""
    return {name: float(np.mean([each[name] for each in losses])) for name in losses[0]}


def class_weights(asked: str | Sequence[float], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the weights (C,) of the losses of clips by their class, with a mean of 1 over the training list.

    counts: (C,) clips of each class in the list, n.
    asked: INVERSE_FREQUENCY, so that all classes count alike: w_c = N / (K n_c), for N clips of K classes (King
    and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9, 2001, for two); without clips it
    is 0.  Or numbers by class, whose ratios alone count: w_c = a_c N / (sum of a n).
    Raises UsageError where there are not as many numbers as classes.
    """
    if isinstance(asked, str):
        values = np.where(counts > 0, 1.0 / np.maximum(counts, 1), 0.0)
    else:
        values = np.array(asked, np.float64) / max(asked)  # whose sums would overflow, were they large
    if len(values) != len(counts):
        cause = f"has {len(values)} numbers, and there are {len(counts)} classes"
        raise UsageError("optimizer.class_weights", cause, f"give one for each class, or {INVERSE_FREQUENCY}")
    return np.asarray(values * counts.sum() / (values * counts).sum(), np.float32)


def cross_entropy(logits: Any, labels: Any, *, smoothing: float = 0.0, weights: Any = None) -> Any:
    """Return the mean cross entropy of `logits` (B, C) float32 against `labels` (B,) or (B, 1) int64, a scalar.

    smoothing: share of each target that is spread evenly over all classes (Szegedy et al., arXiv 1512.00567):
    the loss is (1 - smoothing) * -log p[label] + smoothing * mean over classes of -log p.
    weights: (C,) float32: the loss of each clip is multiplied by that of its label before the mean.  That is not
    divided by the batch's own weights, so that it makes no difference which clips meet in a batch, on a rank or in
    a step.
    """
    labels = labels.flatten()
    if weights is None:
        return _cross_entropy(logits, labels, smoothing, reduction="mean")
    losses = _cross_entropy(logits, labels, smoothing, reduction="none").flatten()
    return (losses * paddle.gather(weights, labels)).mean()


def _cross_entropy(logits: Any, labels: Any, smoothing: float, *, reduction: str) -> Any:
    if smoothing == 0.0:
        return nn.functional.cross_entropy(logits, labels, reduction=reduction)
    # Written with the original's operators: the same formula otherwise put rounds differently, and three
    # training steps on the reference batch amplify that to a loss 4 % off.
    targets = nn.functional.label_smooth(nn.functional.one_hot(labels, logits.shape[-1]), epsilon=smoothing)
    return nn.functional.cross_entropy(logits, targets, soft_label=True, reduction=reduction)


def mixup_cross_entropy(
    logits: Any, labels: Any, other_labels: Any, share: float, *, smoothing: float = 0.0, weights: Any = None
) -> Any:
    """Return the loss of inputs mixed as `share * x + (1 - share) * other_x`, a scalar.

    share * loss(labels) + (1 - share) * loss(other_labels); Zhang et al., arXiv 1710.09412.  Each is weighted by
    its own labels.
    """
    first = cross_entropy(logits, labels, smoothing=smoothing, weights=weights)
    second = cross_entropy(logits, other_labels, smoothing=smoothing, weights=weights)
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
