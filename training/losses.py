"""Cross entropy as PP-TSN trains with it: smoothed labels, and mixup of two label sets."""

from __future__ import annotations

from typing import Any

from pptsn.training.network._paddle import nn


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
