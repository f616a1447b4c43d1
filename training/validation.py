"""How the network does on a validation list, in the middle of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.classify.ranking import correct_counts
from pptsn.training.data.loader import Loader
from pptsn.training.divergence import check_loss
from pptsn.training.losses import cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.progress import Display


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
    model: Any, loader: Loader, samples: Sequence[Sample], *, display: Display, place: str = "the validation"
) -> Validation:
    """Return how `model` does on the centre crops of `samples`; leaves it in evaluation mode.

    No label smoothing; the clips' centre frames, as many as in training.
    place: what it is called in the error.
    Raises PptsnError for a loss that is no finite number.
    """
    model.eval()
    total_loss, read, right = 0.0, 0, np.zeros(2, np.int64)
    unreadable: list[str] = []
    with paddle.no_grad(), display.bar("validation", total=len(samples)) as bar:
        for batch in loader.batches(samples, mode="val"):
            unreadable += batch.unreadable
            if len(batch) == 0:
                continue
            logits = model(paddle.to_tensor(batch.crops))
            loss = float(cross_entropy(logits, paddle.to_tensor(batch.labels)))
            check_loss(loss, clips=[samples[index].path for index in batch.indices], place=place)
            total_loss += loss * len(batch)
            read += len(batch)
            right += correct_counts(logits.numpy(), batch.labels)
            bar.advance(len(batch))
    top1, top5 = (right / len(samples)).tolist()
    return Validation(loss=total_loss / max(read, 1), top1=top1, top5=top5, unreadable=tuple(unreadable))
