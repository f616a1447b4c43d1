"""How far a network's answers are from another's, as a loss.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2.
"""

from __future__ import annotations

from typing import Any

from pptsn.training.learning.losses import Mix
from pptsn.training.network._paddle import paddle


def divergences(logits: Any, targets: Any, *, temperature: float) -> Any:
    """Return T² KL(softmax(targets / T) || softmax(logits / T)) of each row, (B,).

    logits, targets: (B, C) float32; no gradient goes into `targets`.  temperature: T > 0.  The factor T² keeps the
    size of the gradients, which softer scores make smaller by as much.
    """
    log_scores = _log_softmax(targets.detach() / temperature)
    rows = (log_scores.exp() * (log_scores - _log_softmax(logits / temperature))).sum(axis=-1)
    return rows * temperature**2


def _log_softmax(logits: Any) -> Any:
    # Paddle's own, on a CPU, gives -64 for all that is less.
    return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)


def mixed_divergence(
    logits: Any, targets: Any, labels: Any, mix: Mix, *, temperature: float, weights: Any = None
) -> Any:
    """Return the loss of `logits`, of clips mixed by `mix`, against `targets` of the clips unmixed, a scalar.

    logits, targets: (B, C) float32.
    share * mean of divergences from targets + (1 - share) * mean of divergences from the partners' targets: as
    mixup treats labels.  labels: (B,) int64.  weights: (C,) float32: each divergence is multiplied by that of its
    clip's label, as `cross_entropy` does.
    """
    first = _mean(divergences(logits, targets, temperature=temperature), labels, weights)
    if mix.share == 1.0:
        return first
    partners = paddle.to_tensor(mix.partners)
    others = divergences(logits, paddle.gather(targets, partners), temperature=temperature)
    return mix.share * first + (1.0 - mix.share) * _mean(others, paddle.gather(labels, partners), weights)


def mutual_divergence(
    logits: Any, targets: Any, labels: Any, mix: Mix, *, temperature: float, weights: Any = None
) -> Any:
    """Return the loss of `logits` (B, C) against the `targets` that another network gave for the same mixed clips.

    labels, weights: as in `mixed_divergence`.  Zhang et al., "Deep Mutual Learning", arXiv 1706.00384.
    """
    rows = divergences(logits, targets, temperature=temperature)
    first = _mean(rows, labels, weights)
    if weights is None or mix.share == 1.0:
        return first
    partners = paddle.gather(labels, paddle.to_tensor(mix.partners))
    return mix.share * first + (1.0 - mix.share) * _mean(rows, partners, weights)


def _mean(rows: Any, labels: Any, weights: Any) -> Any:
    return (rows if weights is None else rows * paddle.gather(weights, labels)).mean()
