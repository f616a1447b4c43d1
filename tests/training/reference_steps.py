"""A few training steps on the reference batch: python -m tests.training.reference_steps SHARED OUTPUT.npz."""

import json
import sys
from pathlib import Path

import numpy as np

from pptsn.training.losses import cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import state_of
from pptsn.training.optimizer import RecipeOptimizer
from tests.training.published import seeded_state


def main(shared: Path, output: Path) -> None:
    """Write the loss of each step, as `losses`, and all weights after the last by name."""
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
    for _ in expected["loss_per_step"]:
        loss = cross_entropy(model(clips), labels, smoothing=expected["label_smoothing"])
        optimizer.step(loss)
        losses.append(float(loss))
    np.savez(output, losses=np.array(losses), **state_of(model))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
