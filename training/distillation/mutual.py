"""Two networks that are trained together, each by the labels and by what the other answers.

Zhang et al., "Deep Mutual Learning", arXiv 1706.00384; both by the answers before the step.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.data.loader import Batch
from pptsn.training.data.steps import Steps
from pptsn.training.distillation.objective import mutual_divergence
from pptsn.training.learning.losses import Losses, Mix
from pptsn.training.learning.precision import Precision
from pptsn.training.learning.trainee import PEER_STREAM, Trainee, seed_of
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe
from pptsn.training.sections import DistillationSection


class Mutual:
    """Learns from `peer`, and the peer from it: label_weight * the labels' loss + weight * the divergence.

    parts: of the last batch's losses, unweighted: `label_loss` and `soft_loss`, and the peer's, `peer_label_loss`
    and `peer_soft_loss`.
    """

    def __init__(self, options: DistillationSection, peer: Trainee) -> None:
        self._options, self.peer = options, peer
        self.parts: Losses = {}

    def loss(self, label_loss: Any, logits: Any, inputs: Any, batch: Batch, mix: Mix, *, weights: Any) -> Any:
        """Add the gradients of the peer's loss, and return that of `logits` (B, C), a scalar.

        label_loss: that of the labels alone.  inputs: what `logits` are of, `batch` as `mix` mixed it, which the
        peer sees, too.  weights: of classes, see `cross_entropy`.
        """
        divergence = partial(
            mutual_divergence,
            labels=paddle.to_tensor(batch.labels),
            mix=mix,
            temperature=self._options.divisor,
            weights=weights,
        )
        others = self.peer.logits(inputs)
        others_loss = self.peer.label_loss(others, batch, mix)
        soft, others_soft = divergence(logits, others), divergence(others, logits)
        self.peer.add_loss(self._sum(others_loss, others_soft))
        self.parts = {
            "label_loss": float(label_loss),
            "soft_loss": float(soft),
            "peer_label_loss": float(others_loss),
            "peer_soft_loss": float(others_soft),
        }
        return self._sum(label_loss, soft)

    def _sum(self, label_loss: Any, soft_loss: Any) -> Any:
        return self._options.label_weight * label_loss + self._options.weight * soft_loss


def mutual_of(recipe: Recipe, *, counts: npt.NDArray[np.int64], steps: Steps, ranks: Ranks) -> Mutual | None:
    """Return how a training by `recipe` learns from a second network; None where it has none.

    counts, steps, ranks: as `Trainee` takes them.
    """
    options = recipe.distillation
    if options.mutual_depth is None:
        return None
    model = {"depth": options.mutual_depth, "pretrained": options.mutual_pretrained, "freeze": None, "int8": None}
    update = {
        "model": recipe.model.model_copy(update=model),
        "seed": seed_of(recipe.seed, PEER_STREAM),  # else it could be the same network
    }
    own = recipe.model_copy(update=update)
    # Its own precision: losses are scaled for each.
    peer = Trainee(own, counts=counts, steps=steps, ranks=ranks, precision=Precision(recipe))
    return Mutual(options, peer)
