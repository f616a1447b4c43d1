"""What the rest of training needs to know of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network that recipes, specs and checkpoints call by `name`.

    build: (depth, classes, drop_ratio) → a Paddle layer: clips (B, T, 3, S, S) float32 → logits (B, classes).  It
        has the methods `view_logits`, (N, 3, S, S) → (N, classes), and `frame_features`, → (N, features), of which
        its linear head makes them, and attributes `architecture`, `depth` and `classes`.
    depth_of: the depth of a backbone, by the names of its entries; None for those of another architecture.
    mismatch: why names are not this architecture's, for an error.
    stages: what the names of the entries of each stage begin with, by its name, from the input on.
    backbone_parts: what the names of a backbone's entries begin with; others in its file are its own classifier.

    Entries are named as in published checkpoints: `backbone.` before those of the backbone, `head.fc.weight` and
    `head.fc.bias` for the classifier, `._conv.weight` at the end of a convolution's: by these names weights are
    loaded and the optimiser has its exceptions.
    """

    name: str
    build: Callable[[int, int, float], Any]
    depth_of: Callable[[set[str]], int | None]
    mismatch: Callable[[set[str]], str]
    backbone_parts: tuple[str, ...]
    stages: Mapping[str, str]
