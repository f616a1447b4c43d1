"""How the network does on a validation list, in the middle of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.classify.ranking import correct_counts
from pptsn.training.data.loader import Loader
from pptsn.training.learning.divergence import check_loss
from pptsn.training.learning.losses import cross_entropy
from pptsn.training.learning.precision import Cast
from pptsn.training.network._paddle import paddle
from pptsn.training.network.pixels import network_input
from pptsn.training.progress import Display
from pptsn.training.ranks.group import Ranks


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Mean loss over the clips that could be read, and shares (0..1) of right answers over all clips.

    unreadable: a line for each clip that could not be read; it counts as wrong.
    """

    loss: float
    top1: float
    top5: float
    unreadable: tuple[str, ...]


def validate(
    model: Any,
    loader: Loader,
    samples: Sequence[Sample],
    *,
    display: Display,
    place: str = "the validation",
    ranks: Ranks | None = None,
    cast: Cast = nullcontext,
) -> Validation:
    """Return how `model` does on the centre crops of `samples`; leaves it in evaluation mode.

    No label smoothing; the clips' centre frames, as many as in training.
    place: what it is called in the error.  ranks: that have a share of `samples` each, by `loader`, and the same
    weights and statistics; the answer is that of all of them.
    cast: gives the context in which the network computes, see `Precision`.
    Raises PptsnError for a loss that is no finite number, and where more clips than may cannot be read.
    """
    ranks = ranks or Ranks()
    model.eval()
    own = _Counts()
    with display.bar("validation", total=len(ranks.member.share_of(samples))) as bar:
        for batch in ranks.abreast(_counted(model, loader, samples, place, cast)):
            own.add(batch)
            bar.advance(batch.read)
    unreadable = loader.unreadable_of_all(own.unreadable, samples, ranks)
    totals = [_Counts(**each) for each in ranks.gather(dataclasses.asdict(own))]
    right = np.sum([each.right for each in totals], axis=0) / len(samples)
    loss = sum(each.loss for each in totals) / max(sum(each.read for each in totals), 1)
    return Validation(loss=loss, top1=float(right[0]), top5=float(right[1]), unreadable=tuple(unreadable))


@dataclass
class _Counts:
    """Of a batch or a rank: the sum of its clips' losses, clips read, how many are right first and among five."""

    loss: float = 0.0
    read: int = 0
    right: tuple[int, ...] = (0, 0)
    unreadable: list[str] = field(default_factory=list)

    def add(self, other: _Counts) -> None:
        """Count those of `other` as well."""
        self.loss += other.loss
        self.read += other.read
        self.right = tuple(map(sum, zip(self.right, other.right, strict=True)))
        self.unreadable += other.unreadable


def _counted(model: Any, loader: Loader, samples: Sequence[Sample], place: str, cast: Cast) -> Iterator[_Counts]:
    """Yield the counts of each batch."""
    for batch in loader.batches(samples, mode="val"):
        counts = _Counts(read=len(batch), unreadable=batch.unreadable)
        if len(batch):
            with paddle.no_grad():
                inputs = network_input(batch.crops)
                with cast():
                    logits = model(inputs)
                logits = logits.astype("float32")
                loss = float(cross_entropy(logits, paddle.to_tensor(batch.labels)))
            check_loss(loss, clips=[samples[index].path for index in batch.indices], place=place)
            counts.loss, counts.right = loss * len(batch), correct_counts(logits.numpy(), batch.labels)
        yield counts
