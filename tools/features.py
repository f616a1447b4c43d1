"""What features are good for: the same neighbours by every model and backend, and a linear classifier on them.

python -m tools.features model.onnx model.int8.onnx --train data/train.txt --test data/test.txt
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from pptsn.runtime.base.errors import VerificationError
from pptsn.runtime.classify.lists import Sample, evenly, read_list, source_of
from pptsn.runtime.classify.results import Failure
from pptsn.runtime.engines.base import Features
from pptsn.runtime.recognizer import Recognizer
from tools.program import run, tell

# Clips whose nearest neighbour has to be the same, and points of top-1 that a linear classifier may lose.
SAME_NEIGHBOURS, POINTS_LOST = 0.95, 2.0
# Of the mean of the squared features; of the demo's network a hundredth and a hundredfold give the same to a clip.
_RIDGE = 0.01

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What a model makes of N clips: features (N, D), its own answers (N,), and the clips' labels (N,)."""

    features: Features
    answers: Labels
    labels: Labels

    @property
    def top1(self) -> float:
        """The share of answers that are right."""
        return float((self.answers == self.labels).mean())


@dataclass(frozen=True)
class LinearClassifier:
    """scores = features · weights, (D + 1, C), the last row being the bias's."""

    weights: npt.NDArray[np.float64]

    @classmethod
    def fitted(cls, features: Features, labels: Labels, *, classes: int) -> LinearClassifier:
        """Return the ridge regression of `labels` (N,), one column of -1 and 1 a class, on `features` (N, D)."""
        inputs = _with_one(features)
        targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
        products = inputs.T @ inputs
        products += _RIDGE * float((features.astype(np.float64) ** 2).mean()) * np.eye(len(products))
        return cls(np.linalg.solve(products, inputs.T @ targets))

    def answers(self, features: Features) -> Labels:
        """Return the leading class of each row, (N,)."""
        leading: Labels = (_with_one(features) @ self.weights).argmax(axis=1)
        return leading


def _with_one(features: Features) -> npt.NDArray[np.float64]:
    return np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], axis=1)


def neighbours(features: Features) -> Labels:
    """Return for each of `features` (N, D) which other one is nearest by the angle between them, (N,)."""
    unit = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    nearest: Labels = likeness.argmax(axis=1)
    return nearest


def seen(recognizer: Recognizer, samples: Sequence[Sample], *, segments: int, views: str | None) -> Seen:
    """Return what a model makes of `samples`; raises what one of them raises."""
    vectors, answers = [], []
    for found in recognizer.features_many(map(source_of, samples), segments=segments, views=views):
        if isinstance(found, Failure):
            raise found.error
        vectors.append(found.clip)
        answers.append(int(found.answer.logits.argmax()))
    return Seen(np.stack(vectors), np.array(answers), np.array([sample.label for sample in samples]))


def main(
    models: Annotated[list[Path], typer.Argument(help="Model files; the others are compared with the first.")],
    train: Annotated[Path, typer.Option(help="List of the clips that the linear classifier is fitted to.")],
    test: Annotated[Path, typer.Option(help="List of the clips that it, and the network, are judged on.")],
    backend: Annotated[list[str] | None, typer.Option(help="What runs each model.")] = None,
    clips: Annotated[int, typer.Option(help="Clips of the test list whose neighbours are compared.")] = 100,
    segments: Annotated[int, typer.Option(help="Frames of each clip.")] = 8,
    views: Annotated[str | None, typer.Option(help="Crops of each frame; else the first model's.")] = None,
) -> None:
    """Compare nearest neighbours across models and backends, and fit a linear classifier to the first one's."""
    tested = read_list(test)
    places = evenly(range(len(tested)), clips)
    first: Seen | None = None
    failed: list[str] = []
    for model in models:
        for name in backend or ["onnxruntime", "openvino"]:
            tell(f"{model.name} by {name}")
            with Recognizer.open(model, backend=name, device="cpu") as recognizer:
                views = views or recognizer.spec.views
                if first is None:
                    first = seen(recognizer, tested, segments=segments, views=views)
                    fitted_to = seen(recognizer, read_list(train), segments=segments, views=views)
                    failed += _judge(first, fitted_to, classes=recognizer.spec.classes)
                    continue
                chosen = [tested[place] for place in places]
                other = seen(recognizer, chosen, segments=segments, views=views)
            share = float((neighbours(other.features) == neighbours(first.features[places])).mean())
            print(f"{model.name} by {name}: {share:.1%} of {len(places)} clips have the same nearest neighbour")
            if share < SAME_NEIGHBOURS:
                failed.append(f"{model.name} by {name} gives other neighbours")
    if failed:
        raise VerificationError("features", "; ".join(failed), "see the figures above")


def _judge(tested: Seen, fitted_to: Seen, *, classes: int) -> list[str]:
    """Print how often a classifier that is fitted to `fitted_to` is right on `tested`; return what is wrong."""
    classifier = LinearClassifier.fitted(fitted_to.features, fitted_to.labels, classes=classes)
    right = float((classifier.answers(tested.features) == tested.labels).mean())
    what = f"{tested.features.shape[1]} features of {len(fitted_to.labels)} clips"
    of = f"of {len(tested.labels)} clips right"
    print(f"a linear classifier on {what}: {right:.1%} {of}, the network itself {tested.top1:.1%}")
    return [] if 100 * (tested.top1 - right) <= POINTS_LOST else ["a linear classifier loses too much"]


if __name__ == "__main__":
    run(main)
