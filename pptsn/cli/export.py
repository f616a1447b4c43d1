"""The command `pptsn export`.  Heavy imports wait until it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.from_settings import from_settings
from pptsn.cli.lines import say
from pptsn.cli.requirements import require
from pptsn.training.export_options import ExportOptions

if TYPE_CHECKING:
    from pptsn.runtime.decoding.clips import Source
    from pptsn.runtime.model.spec import ModelSpec
    from pptsn.training.network.weights import Checkpoint
# What NumPy, too, would take for a seed.
_LARGEST_SEED = 2**32 - 1


@from_settings
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
    options: ExportOptions,
    clips: Annotated[
        list[str] | None,
        typer.Option(help="Videos, a frame of each of which goes into the reference (the first ten); repeatable."),
    ] = None,
    clip_level: Annotated[
        bool,
        typer.Option("--clip-level", help="Instead, write the model that PaddleVideo's tools/predict.py reads."),
    ] = False,
) -> None:
    """Export a checkpoint: its per-view network, its spec, and reference logits.

    Depth and classes of a checkpoint are told from its weights.  A spec that `pptsn train` wrote beside it
    supplies labels and sizes; a published checkpoint of 400 classes gets the labels of Kinetics-400.

    Example: pptsn export --weights ppTSN_k400.pdparams --output output/export
    """
    require("paddle", "exporting a checkpoint", extra="train")
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.progress import notes, print_note
    from pptsn.runtime.classify.sources import expand_sources
    from pptsn.training.network.weights import read_checkpoint

    if clip_level and clips:
        raise UsageError("--clips", "has no place with --clip-level, which carries no reference", "leave it out")
    if (weights is None) == (untrained is None):
        raise UsageError("export", "takes either --weights FILE or --untrained SEED", "give one of them")
    with notes().status("exporting"):
        sources = expand_sources(clips, note=print_note) if clips else ()
        if weights is None:
            checkpoint = _untrained(options, untrained)
        else:  # read before Paddle is there: what is refused shall not cost its 300 MB
            checkpoint = read_checkpoint(weights, depth=options.depth, classes=options.classes)
        spec = _export(checkpoint, output, options, sources, clip_level=clip_level)
    say(
        f"exported {output}: ResNet{spec.depth}-vd, {spec.classes} classes, crops of {spec.crop_size} px "
        f"from frames of {spec.short_side} px ({spec.resize_rule})"
    )


def _export(
    checkpoint: Checkpoint, output: Path, options: ExportOptions, clips: Sequence[Source], *, clip_level: bool
) -> ModelSpec:
    if clip_level:
        from pptsn.training.clip_level import export_clip_level

        return export_clip_level(checkpoint, output, options=options)
    from pptsn.training.export import export_model

    return export_model(checkpoint, output, options=options, clips=clips)


def _untrained(options: ExportOptions, seed: int | None) -> Checkpoint:
    from pptsn.runtime.model.labels import read_labels
    from pptsn.training.export import untrained_checkpoint

    labels = read_labels(options.labels) if options.labels else ()
    return untrained_checkpoint(options.depth or 50, options.classes or len(labels) or 400, seed=seed or 0)
