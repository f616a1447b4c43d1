"""The command `pptsn train`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.lines import say
from pptsn.cli.ranks.devices_option import DevicesOption, run_by_ranks
from pptsn.cli.recipe_options import RecipeArgument, RecipeChanges
from pptsn.cli.requirements import require

if TYPE_CHECKING:
    from pptsn.training.profiling.window import Window
    from pptsn.training.recipe import Recipe


def train(
    context: typer.Context,
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
    head_only: Annotated[
        bool,
        typer.Option(
            "--head-only", help="Fit the classifier alone, to features of the pretrained network: in seconds."
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:END",
            help="Tell where the time of these steps goes: 10:20 is for the steps 10 to 19, counted from 0.",
        ),
    ] = None,
    devices: DevicesOption = None,
    restarts: Annotated[
        int,
        typer.Option(min=0, help="With --devices: how often to go on where a rank is killed or cut off."),
    ] = 0,
) -> None:
    """Train PP-TSN by a recipe.

    Writes best.pdparams, last.pdparams, metrics.jsonl and metrics.png, after every epoch and each by renaming:
    a run that is killed at any moment goes on with --resume. Told to stop by a signal, it ends with code 5.

    By several cards: --devices 0,1. What its other ranks say is in rank-logs, in the folder of the run.

    Example: pptsn train demo --set optimizer.epochs=5 --output output/train
    """
    for package in ("pydantic", "yaml", "paddle", "matplotlib"):
        require(package, "training", extra="train")
    from pptsn.runtime.base.errors import UNFINISHED, UsageError
    from pptsn.runtime.base.stopping import keeping, stopped_with
    from pptsn.training.profiling.window import Window
    from pptsn.training.recipe import load_recipe

    window = None if profile is None else Window.parse(profile)
    recipe = load_recipe(config, [*(changes or []), *(["model.head_only=true"] if head_only else [])])
    if recipe.tensorboard:
        require("tensorboardX", "tensorboard: true", extra="tensorboard")
    if restarts and devices is None:
        raise UsageError("--restarts", "is for ranks that --devices starts", "add --devices: cpu:1 and 0 are fine")
    with stopped_with(UNFINISHED), keeping(f"go on with --resume: checkpoints of {output} are kept"):
        if devices is not None:
            from pptsn.training.ranks.logs import logs_in

            with logs_in(output) as logs:
                run_by_ranks(context, devices, device=recipe.device, logs=logs, restarts=restarts, resumable=True)
        else:
            _train(recipe, output, resume=resume, resume_ranks=resume_ranks, profile=window)


def _train(recipe: Recipe, output: Path, *, resume: bool, resume_ranks: bool, profile: Window | None) -> None:
    from pptsn.training.ranks.environment import member_of
    from pptsn.training.trainer import train as run

    result = run(recipe, output, resume=resume, resume_ranks=resume_ranks, profile=profile)
    if not member_of().is_first:  # rank 0 tells what all found
        return
    if recipe.model.head_only:
        validation = "cross-validated" if recipe.data.folds else "validation"
        say(f"fitted the classifier alone; {validation} top-1 {result.best_top1:.1%}: {result.best_weights}")
        return
    early = ", and stopped early" if result.stopped_early else ""
    epochs = f"{result.epochs} epoch{'s' if result.epochs > 1 else ''}"
    say(
        f"trained {epochs}{early}; best validation top-1 {result.best_top1:.1%} "
        f"in epoch {result.best_epoch}: {result.best_weights}"
    )
