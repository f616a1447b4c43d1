"""The command `pptsn export`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.requirements import require

if TYPE_CHECKING:
    from pptsn.training.export import ExportOptions
    from pptsn.training.network.weights import Checkpoint
# What NumPy, too, would take for a seed.
_LARGEST_SEED = 2**32 - 1


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
    require("paddle", "exporting a checkpoint", extra="train")
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import notes
    from pptsn.runtime.classify.sources import expand_sources
    from pptsn.training.export import ExportOptions, export_model

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
    from pptsn.runtime.model.labels import read_labels
    from pptsn.training.export import untrained_checkpoint

    labels = read_labels(options.labels) if options.labels else ()
    return untrained_checkpoint(options.depth or 50, options.classes or len(labels) or 400, seed=seed or 0)
