"""The command `pptsn evaluate`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.device_options import DecodersOption
from pptsn.cli.lines import say
from pptsn.cli.ranks.devices_option import DevicesOption, run_by_ranks
from pptsn.cli.recipe_options import RecipeArgument, RecipeChanges
from pptsn.cli.requirements import require

if TYPE_CHECKING:
    from pptsn.training.evaluation import Evaluation


def evaluate(
    context: typer.Context,
    config: RecipeArgument,
    weights: Annotated[
        Path, typer.Option("--weights", help="The model: a .pdparams checkpoint, an .onnx file or an .engine.")
    ],
    changes: RecipeChanges = None,
    views: Annotated[str | None, typer.Option(help="Crops of each frame: ten, three or center.")] = None,
    segments: Annotated[int | None, typer.Option(min=1, help="Frames to look at of each clip.")] = None,
    sampling: Annotated[str | None, typer.Option(help="Which frames: centre or linspace.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A published test: frames, videos or predict, in place of the recipe's evaluation."),
    ] = None,
    backend: Annotated[str, typer.Option(help="What runs an .onnx file or an .engine, as in classify.")] = "auto",
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or cuda:N; the recipe's if not given, the first GPU for an .engine."),
    ] = None,
    devices: DevicesOption = None,
    decoders: DecodersOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure top-1 and top-5 over the recipe's test list.

    A clip that cannot be read counts as wrong, is named, and makes the exit code 1; one with warnings (it ends
    early, some of its frames are damaged) is named as well, and counts by its answer.

    Example: pptsn evaluate demo --weights output/train/best.pdparams
    """
    converted = weights.suffix.lower() in (".onnx", ".engine")
    for package in ("pydantic", "yaml"):
        require(package, "reading a recipe", extra="recipes" if converted else "train")
    if not converted:
        require("paddle", "evaluating a checkpoint", extra="train")
    import json

    from pptsn.cli.clip_warnings import print_warnings
    from pptsn.runtime.base.files import printable
    from pptsn.runtime.base.temporary import temporary_folder
    from pptsn.runtime.decoding.decoders import read_decoders
    from pptsn.training.recipe import load_recipe

    recipe = load_recipe(config, changes or [])
    if devices is not None:
        with temporary_folder() as logs:
            run_by_ranks(context, devices, device=device or recipe.device, logs=logs)
        return
    from pptsn.training.evaluation import evaluate as run
    from pptsn.training.ranks.environment import member_of

    result = run(
        recipe,
        weights,
        views=views,
        segments=segments,
        sampling=sampling,
        protocol=protocol,
        backend=backend,
        device=device,
        decoders=read_decoders(decoders),
    )
    if member_of().is_first:  # it tells what all ranks found
        if as_json:
            say(json.dumps({"weights": printable(str(weights)), **result.to_dict()}))
        else:
            _show_evaluation(weights, result)
        for line in result.unreadable:
            say(f"pptsn: error: {printable(line)}", err=True)
        print_warnings(result.warned, total=result.clips, failed=len(result.unreadable))
        if result.unreadable:
            raise typer.Exit(1)


def _show_evaluation(weights: Path, result: Evaluation) -> None:
    say(
        f"{weights}: top-1 {result.top1:.2%}, top-5 {result.top5:.2%} of {result.clips} clips "
        f"({result.looked_at}; {result.precision}, {result.engine})"
    )
    for label, share in zip(result.labels, result.class_top1, strict=True):
        if share is not None and len(result.labels) <= 20:
            say(f"  {share:7.2%}  {label}")
