"""One run: trained by the recipe with what its way changes, and the weights that its rows are about evaluated."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.inputs import clip_settings, labels_of, sample_lists
from pptsn.training.data.loader import Loader
from pptsn.training.data.steps import plan_steps
from pptsn.training.datasets.extraction import FrameSettings, extract_frames
from pptsn.training.evaluation import evaluate
from pptsn.training.learning.learner import Learner
from pptsn.training.learning.precision import Precision
from pptsn.training.network.weights import apply_checkpoint, read_checkpoint, save_weights, state_of
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe, load_recipe
from pptsn.training.synthetic.dataset import SyntheticSet, SyntheticSettings, make_dataset
from pptsn.training.trainer import train
from tools.tables.kept import Measured
from tools.tables.narrow import BLOCKS, STEM
from tools.tables.rows import TEACHER, Way, Weights

# Of the network: enough channels to learn the shapes, and few enough for half a minute.
STAGES = (16, 32, 64, 96)
SETTINGS = SyntheticSettings(train_per_class=40, val_per_class=5, test_per_class=50, hard=True)
_UNAVERAGED = "last/weights.unaveraged.pdparams"


@dataclass(frozen=True)
class Bench:
    """Where runs are made: their data, their folders, and the teacher that some learn from."""

    root: Path
    recipe: str

    @property
    def teacher(self) -> Path:
        """Where the teacher's weights lie."""
        return self.root / "teacher" / "last.pdparams"

    @property
    def _frames(self) -> Path:
        return self.root / "frames"

    def make_data(self) -> None:
        """Make the clips and extract their frames, which load in a tenth of the time, where they are not there."""
        made = make_dataset(self.root / "data", settings=SETTINGS)
        for listed in (made.train, made.val, made.test):
            if not (self._frames / listed.name).exists():
                stored = FrameSettings(short_side=load_recipe(self.recipe).model.short_side)
                extract_frames(listed, self._frames, settings=stored)

    def recipe_of(self, way: Way, seed: int) -> Recipe:
        """Return the recipe of a run."""
        places = {f"data.{part}": str(self._frames / f"{part}.txt") for part in ("train", "val", "test")}
        labels = {"data.labels": str(SyntheticSet.at(self.root / "data").labels)}
        changes = {**places, **labels, **way.changes, "seed": seed}
        return load_recipe(self.recipe, [f"{key}={json.dumps(value)}" for key, value in changes.items()])

    def terms(self, way: Way) -> str:
        """Return a digest of all that the rows of `way` hang on but the seed."""
        facts = {
            "recipe": _facts(self.recipe_of(way, 0)),
            "data": repr(SETTINGS),
            "network": [STEM, STAGES, BLOCKS],
        }
        if "distillation.teacher" in way.changes:
            facts["teacher"] = _facts(self.recipe_of(TEACHER, 0))
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def make_teacher(self) -> float:
        """Train the teacher, or what is left of it; return its own top-1 in percent."""
        recipe = self.recipe_of(TEACHER, 0)
        train(recipe, self.teacher.parent, resume=True)
        return 100 * evaluate(recipe, self.teacher, decoders=0).top1

    def measure(self, way: Way, seed: int) -> Iterator[Measured]:
        """Train by `way` and yield its rows.  The folder of the run goes afterwards."""
        recipe, folder = self.recipe_of(way, seed), self.root / "run"
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
        started_s = time.process_time()
        train(recipe, folder)
        cpu_s = time.process_time() - started_s
        for name, which in way.rows.items():
            found = evaluate(recipe, _weights(recipe, folder, which, averaged=len(way.rows) > 1), decoders=0)
            yield Measured(self.terms(way), name, seed, round(found.top1 * found.clips), found.clips, cpu_s)
        shutil.rmtree(folder)


def _facts(recipe: Recipe) -> Mapping[str, Any]:
    """Return what a recipe says beside the defaults, to which new keys are added, without its seed and places."""
    values = recipe.model_dump(mode="json", exclude={"seed", "data"}, exclude_defaults=True)
    if "teacher" in values.get("distillation", {}):
        values["distillation"]["teacher"] = "the teacher"
    return values


def _weights(recipe: Recipe, folder: Path, which: Weights, *, averaged: bool) -> Path:
    """Return the file of the weights asked for; averaged: whether `last.pdparams` is the moving average."""
    if which == "average" or not averaged:
        return folder / "last.pdparams"
    last = folder / _UNAVERAGED
    return last if which == "last" else _counted(recipe, last, folder / "counted.pdparams")


def _counted(recipe: Recipe, weights: Path, output: Path) -> Path:
    """Write `weights` with the statistics of batch norm counted anew, over an epoch of the training list."""
    samples: list[Sample] = list(sample_lists(recipe, classes=len(labels_of(recipe))).train)
    counts = np.bincount([sample.label for sample in samples], minlength=len(labels_of(recipe)))
    steps = plan_steps(recipe.optimizer, len(samples))
    learner = Learner(recipe, counts=counts, steps=steps, ranks=Ranks(), precision=Precision(recipe))
    apply_checkpoint(learner.model, read_checkpoint(weights))
    with Loader(clip_settings(recipe), batch_size=steps.batch_size, workers=0, seed=recipe.seed) as loader:
        learner.count_statistics(loader.batches(samples, mode="train", epoch=recipe.optimizer.epochs))
    save_weights(state_of(learner.model), output)
    return output
