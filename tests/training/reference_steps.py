"""Training steps on the reference batch: python -m tests.training.reference_steps COUNT SHARED OUTPUT.npz."""

import json
import sys
from pathlib import Path

import numpy as np

from pptsn.training.learning.losses import cross_entropy
from pptsn.training.learning.optimizer import RecipeOptimizer
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import state_of
from tests.training.published import seeded_state


def main(steps: int, shared: Path, output: Path) -> None:
    """Write the losses before each step and after the last, as `losses`, and the last weights by name."""
    expected = json.loads((shared / "reference" / "reference.json").read_text())["train"]
    model = PPTSN(50, 400, drop_ratio=expected["drop_ratio"])
    model.set_state_dict(seeded_state(shared))
    model.train()
    optimizer = RecipeOptimizer(model, momentum=expected["momentum"], weight_decay=expected["l2"])
    optimizer.set_rate(expected["lr"])
    with np.load(shared / "reference" / "train_batch.npz") as stored:
        clips = paddle.to_tensor(stored["x"].astype(np.float32))
    labels = paddle.to_tensor(expected["labels"])
    losses = []
    for step in range(steps + 1):
        after = state_of(model)  # before the loss, which moves the statistics of the batch norms
        loss = cross_entropy(model(clips), labels, smoothing=expected["label_smoothing"])
        losses.append(float(loss))
        if step < steps:
            optimizer.add(loss)
            optimizer.step()
    np.savez(output, losses=np.array(losses), **after)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
