"""The recipe that comes with lists of one's own clips, each choice with its reason."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.training.datasets.folder.classes import has_plain_text
from pptsn.training.datasets.folder.splitting import PARTS
from pptsn.training.network.starting import spec_beside
from pptsn.training.network.weights import read_checkpoint

RECIPE_NAME = "recipe.yaml"
# A network that begins with trained weights has learned a few classes once it has seen so many clips.
_CLIPS_SEEN = 2400
_EPOCHS = (10, 60)
_LARGEST_BATCH, _STEPS_AN_EPOCH = 16, 4
_BACKBONE = "ResNet50_vd_ssld_v2_pretrained"
_HEAD_ONLY = "  head_only: true  # the classifier alone is fitted, once for each fold and once for all clips\n"


@dataclass(frozen=True)
class Start:
    """The weights that training begins with; sizes in pixels, as they were trained with, or as published."""

    weights: Path | None = None
    depth: int = 50
    short_side: int = 256
    crop_size: int = 224
    is_known: bool = False


def start_with(weights: Path | None) -> Start:
    """Return what `weights` are, a `.pdparams` file; None begins with random ones.

    Raises InputError for a name that no recipe can hold, and what `read_checkpoint` and `spec_beside` raise.
    """
    if weights is None:
        return Start()
    if not has_plain_text(str(weights)):
        cause = "has a name that no recipe can hold (control characters, or bytes that are no UTF-8)"
        raise InputError(weights, cause, "rename it")
    checkpoint = read_checkpoint(weights)
    spec = spec_beside(checkpoint)
    if spec is None:
        return Start(weights, checkpoint.depth)
    return Start(weights, checkpoint.depth, spec.short_side, spec.crop_size, is_known=True)


def batch_for(clips: int) -> int:
    """Return the clips of a step: a power of two that makes several steps of a small list."""
    most = min(_LARGEST_BATCH, max(2, clips // _STEPS_AN_EPOCH))
    return int(2 ** math.floor(math.log2(most)))


def epochs_for(clips: int) -> int:
    """Return how often a list of so many clips is gone through."""
    least, most = _EPOCHS
    return min(most, max(least, math.ceil(_CLIPS_SEEN / clips)))


def train_command(recipe: Path) -> str:
    """Return the command that trains by the recipe, as a shell takes it."""
    return shlex.join(["pptsn", "train", str(recipe), "--output", str(recipe.with_name("train"))])


def recipe_text(folder: Path, *, format: str, clips: int, start: Start, seed: int, is_folded: bool = False) -> str:
    """Return the YAML of a recipe for the lists in `folder`, of `clips` to train on.

    is_folded: whether there is a list of folds in place of those to validate and to test with; `start` has weights
    then.
    """
    return f"""\
# Made by `pptsn data folder`; yours to change.  To train by it:
#   {train_command(folder / RECIPE_NAME)}
# Paths are relative to the folder in which commands run.

model:
{_model(start)}
  num_seg: 3  # frames of each clip in training, as published
{_HEAD_ONLY if is_folded else ""}
data:
{_lists(folder, is_folded)}
  labels: {_quoted(folder / "labels.txt")}
  format: {format}
  workers: 2  # processes that decode: as many as there are cores to spare
{"" if is_folded else _steps(clips)}
seed: {seed}
device: auto  # a GPU where Paddle has one, else the CPU
"""


def _lists(folder: Path, is_folded: bool) -> str:
    if is_folded:
        return f"""\
  train: {_quoted(folder / "train.txt")}  # all clips
  folds: {_quoted(folder / "folds.txt")}  # the parts of them that are tests in turn"""
    return "\n".join(f"  {part}: {_quoted(folder / f'{part}.txt')}" for part in PARTS)


def _steps(clips: int) -> str:
    epochs = epochs_for(clips)
    return f"""
optimizer:
  epochs: {epochs}  # of {clips} clips: {_CLIPS_SEEN} in all, but {_EPOCHS[0]} to {_EPOCHS[1]} times each
  batch_size: {batch_for(clips)}  # {_LARGEST_BATCH} at most; fewer of a small list, for several steps an epoch
  base_rate: 0.005  # half of the published rate, for steps of 16 clips; smaller steps have a smaller one
  warmup_rate: 0.0005
  rates_for: 16
  warmup_epochs: {max(1, epochs // 10)}  # a tenth of all

augmentation:  # as published
  mixup_alpha: 0.2
  label_smoothing: 0.1
"""


def _model(start: Start) -> str:
    if start.weights is None:
        return f"""\
  depth: 50  # as published; with weights to begin from it must be theirs, and without any, 18 is faster
  # Few clips need weights to begin from.  To get the published backbone: pptsn weights fetch {_BACKBONE}
  # pretrained: {_BACKBONE}.pdparams
  short_side: 256  # frames are resized to it, as published
  crop_size: 224"""
    origin = "as the weights were trained" if start.is_known else "as published"
    return f"""\
  depth: {start.depth}  # that of the weights
  pretrained: {_quoted(start.weights)}  # a classifier of other classes is replaced
  short_side: {start.short_side}  # frames are resized to it, {origin}
  crop_size: {start.crop_size}"""


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
