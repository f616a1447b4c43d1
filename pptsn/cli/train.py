"""The command `pptsn train`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.lines import say
from pptsn.cli.recipe_options import RecipeArgument, RecipeChanges
from pptsn.cli.requirements import require


def train(
    config: RecipeArgument,
    changes: RecipeChanges = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")] = Path("output/train"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder, if there is one.")
    ] = False,
    resume_ranks: Annotated[
        bool,
        typer.Option("--resume-ranks", help="Go on by another number of ranks, too; a line tells its steps."),
    ] = False,
) -> None:
    """Train PP-TSN by a recipe.

    Writes best.pdparams, last.pdparams, metrics.jsonl and metrics.png, after every epoch and each by renaming:
    a run that is killed at any moment goes on with --resume. Told to stop by a signal, it ends with code 5.

    By several ranks: python -m paddle.distributed.launch --gpus 0,1 $(command -v pptsn) train ...

    Example: pptsn train demo --set optimizer.epochs=5 --output output/train
    """
    for package in ("pydantic", "yaml", "paddle", "matplotlib"):
        require(package, "training", extra="train")
    from pptsn.runtime.base.errors import UNFINISHED
    from pptsn.runtime.base.stopping import keeping, stopped_with
    from pptsn.training.recipe import load_recipe

    recipe = load_recipe(config, changes or [])
    from pptsn.training.ranks.environment import member_of
    from pptsn.training.trainer import train as run

    with stopped_with(UNFINISHED), keeping(f"go on with --resume: checkpoints of {output} are kept"):
        result = run(recipe, output, resume=resume, resume_ranks=resume_ranks)
    if not member_of().is_first:  # rank 0 tells it
        return
    early = ", and stopped early" if result.stopped_early else ""
    epochs = f"{result.epochs} epoch{'s' if result.epochs > 1 else ''}"
    say(
        f"trained {epochs}{early}; best validation top-1 {result.best_top1:.1%} "
        f"in epoch {result.best_epoch}: {result.best_weights}"
    )
