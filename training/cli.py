"""The commands that train, evaluate and export.  Heavy imports wait until a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.evaluation import Evaluation
    from training.export import ExportOptions
    from training.weights import Checkpoint

# What NumPy, too, would take for a seed.
_LARGEST_SEED = 2**32 - 1

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="A recipe: a YAML file as in configs/.")]


def mount(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (synthesize, train, evaluate, export):
        app.command()(command)


def synthesize(
    output: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    seed: Annotated[int, typer.Option(min=0, help="Decides every clip.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make clips.")] = 2,
) -> None:
    """Make a small labelled set of real H.264 files, to try everything with.

    Eight classes of coloured shapes that move over cluttered, noisy backgrounds, with list files for training,
    validation and test.  The same seed makes the same frames; a finished set is left as it is.
    """
    from runtime.progress import progress_bar
    from training.synthetic import SyntheticSettings, make_dataset

    with progress_bar() as bar:
        task = bar.add_task("making clips", total=None)
        made = make_dataset(
            output,
            settings=SyntheticSettings(seed=seed),
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(f"the set is in {made.root}: lists {made.train.name}, {made.val.name}, {made.test.name}")


def train(
    config: ConfigArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe; repeatable."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")] = Path("output/train"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder, if there is one.")
    ] = False,
) -> None:
    """Train PP-TSN by a recipe.

    Writes best.pdparams, last.pdparams, metrics.jsonl and metrics.png, after every epoch and each by renaming:
    a run that is killed at any moment goes on with --resume.

    Example: pptsn train configs/demo.yaml --set optimizer.epochs=5 --output output/train
    """
    from training.recipe import load_recipe

    recipe = load_recipe(config, changes or [])
    from training.trainer import train as run

    result = run(recipe, output, resume=resume)
    typer.echo(
        f"trained {result.epochs} epochs; best validation top-1 {result.best_top1:.1%} "
        f"in epoch {result.best_epoch}: {result.best_weights}"
    )


def evaluate(
    config: ConfigArgument,
    weights: Annotated[
        Path, typer.Option("--weights", help="The model: a .pdparams checkpoint, an .onnx file or an .engine.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe; repeatable."),
    ] = None,
    views: Annotated[str | None, typer.Option(help="Crops of each frame: ten, three or center.")] = None,
    segments: Annotated[int | None, typer.Option(min=1, help="Frames to look at of each clip.")] = None,
    backend: Annotated[str, typer.Option(help="What runs an .onnx file or an .engine, as in classify.")] = "auto",
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or cuda:N; the recipe's if not given, the first GPU for an .engine."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure top-1 and top-5 over the recipe's test list.

    A clip that cannot be read counts as wrong, is named, and makes the exit code 1.

    Example: pptsn evaluate configs/demo.yaml --weights output/train/best.pdparams
    """
    import json

    from runtime.results import printable
    from training.recipe import load_recipe

    recipe = load_recipe(config, changes or [])
    from training.evaluation import evaluate as run

    result = run(recipe, weights, views=views, segments=segments, backend=backend, device=device)
    if as_json:
        typer.echo(json.dumps({"weights": printable(str(weights)), **result.to_dict()}))
    else:
        _show_evaluation(weights, result)
    for line in result.unreadable:
        typer.echo(f"pptsn: error: {printable(line)}", err=True)
    if result.unreadable:
        raise typer.Exit(1)


def _show_evaluation(weights: Path, result: Evaluation) -> None:
    typer.echo(
        f"{weights}: top-1 {result.top1:.2%}, top-5 {result.top5:.2%} of {result.clips} clips "
        f"({result.segments} segments, views {result.views}; {result.precision}, {result.engine})"
    )
    for label, share in zip(result.labels, result.class_top1, strict=True):
        if share is not None and len(result.labels) <= 20:
            typer.echo(f"  {share:7.2%}  {label}")


def export(
    *,
    weights: Annotated[Path | None, typer.Option("--weights", help="The checkpoint, a .pdparams file.")] = None,
    untrained: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_LARGEST_SEED,
            metavar="SEED",
            help="Instead of a checkpoint: weights as before training, to measure speed.",
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The export folder to write.")],
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line; known for 400 classes.")] = None,
    depth: Annotated[
        int | None, typer.Option(help="The depth that the weights must have; of untrained ones 50 if not given.")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            help="The number of classes that the weights must have; of untrained ones 400, or as --labels."
        ),
    ] = None,
    short_side: Annotated[int | None, typer.Option(help="Short side of the resized frame, in pixels.")] = None,
    crop_size: Annotated[int | None, typer.Option(help="Side of a crop, in pixels.")] = None,
    resize_rule: Annotated[str | None, typer.Option(help="fixed_ratio, keep_aspect or keep_aspect_floor.")] = None,
    clips: Annotated[
        list[str] | None,
        typer.Option(help="Videos, a frame of each of which goes into the reference (the first ten); repeatable."),
    ] = None,
) -> None:
    """Export a checkpoint: its per-view network, its spec, and reference logits.

    Depth and classes of a checkpoint are told from its weights.  A spec that `pptsn train` wrote beside it
    supplies labels and sizes; a published checkpoint of 400 classes gets the labels of Kinetics-400.

    Example: pptsn export --weights ppTSN_k400.pdparams --output output/export
    """
    from runtime.errors import UsageError
    from runtime.progress import notes
    from runtime.sources import expand_sources
    from training.export import ExportOptions, export_model

    if (weights is None) == (untrained is None):
        raise UsageError("export", "takes either --weights FILE or --untrained SEED", "give one of them")

    options = ExportOptions(
        labels=labels,
        depth=depth,
        classes=classes,
        short_side=short_side,
        crop_size=crop_size,
        resize_rule=resize_rule,
    )
    with notes().status("exporting"):
        sources = expand_sources(clips) if clips else ()
        spec = export_model(weights or _untrained(options, untrained), output, options=options, clips=sources)
    typer.echo(
        f"exported {output}: ResNet{spec.depth}-vd, {spec.classes} classes, crops of {spec.crop_size} px "
        f"from frames of {spec.short_side} px ({spec.resize_rule})"
    )


def _untrained(options: ExportOptions, seed: int | None) -> Checkpoint:
    from runtime.labels import read_labels
    from training.untrained import untrained_checkpoint

    labels = read_labels(options.labels) if options.labels else ()
    return untrained_checkpoint(options.depth or 50, options.classes or len(labels) or 400, seed=seed or 0)
