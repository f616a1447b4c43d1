"""The command `pptsn data folder`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.device_options import DecodersOption
from pptsn.cli.lines import say

if TYPE_CHECKING:
    from pptsn.training.datasets.folder.making import MadeFolder

# Of more classes only the sums are shown.
_MOST_CLASSES_SHOWN = 20


def folder(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="The folder of the classes, a folder each.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of lists, class names and recipe.")
    ],
    format: Annotated[
        str | None,
        typer.Option(
            help="videos, or frames: folders of pictures img_00001.jpg and on; what is there if not given."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Clips in whose path below CLIPS, without suffix, it finds the same text (its first group, if "
            "any) are of one source and stay in one list; X_g01_c02, as in UCF-101, if not given.",
        ),
    ] = None,
    val: Annotated[float, typer.Option(min=0, max=1, help="Share of each class for validation.")] = 0.2,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of each class for the test.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Decides which clips are in which list.")] = 0,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A .pdparams file, or the name of fetched weights, to begin training from."
        ),
    ] = None,
    max_unreadable: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the clips that may be left out as unreadable.")
    ] = 0.05,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="For few clips: K parts of all of them, each a test in turn, in place of lists to validate and "
            "to test with (cross-validation). Needs --weights.",
        ),
    ] = None,
    decoders: DecodersOption = "auto",
) -> None:
    """Make lists, class names and a recipe of clips in one folder a class.

    Writes train.txt, val.txt and test.txt in the published format, with --folds train.txt and folds.txt;
    labels.txt, recipe.yaml with the reason of each choice, and lists.report.json. Every clip is opened; what
    cannot be used is a line. Says where classes can be told by size, rate or length alone, which a model would
    learn. The same clips and options make the same files.

    Example: pptsn data folder clips/ -o my/ --weights ResNet50_vd_ssld_v2_pretrained.pdparams
    """
    from pptsn.cli.requirements import require
    from pptsn.runtime.base.progress import print_note, steps_bar
    from pptsn.runtime.classify.lists import check_list_format
    from pptsn.runtime.decoding.decoders import read_decoders
    from pptsn.training.datasets.folder.making import FolderSettings, make_folder
    from pptsn.training.datasets.folder.ready_recipe import train_command

    if weights is not None:  # Paddle's network tells what they are
        require("paddle", "training", extra="train")
    if format is not None:
        check_list_format(format)
    settings = FolderSettings(format, group, val, test, seed, weights, max_unreadable, folds)
    with steps_bar("probing") as progress:
        made = make_folder(
            clips, output, settings=settings, decoders=read_decoders(decoders), progress=progress, note=print_note
        )
    _show(made)
    for each in made.told:
        print_note(each.sentence(made.labels[each.label]))
    say(f"next: {train_command(made.recipe)}")


def _show(made: MadeFolder) -> None:
    from rich.table import Table

    from pptsn.runtime.base.errors import spelled
    from pptsn.runtime.base.progress import results

    table = Table("class", *made.counts, "all")
    counts = list(made.counts.values())
    if len(made.labels) <= _MOST_CLASSES_SHOWN:
        for label, name in enumerate(made.labels):
            table.add_row(
                spelled(name), *(str(part[label]) for part in counts), str(sum(part[label] for part in counts))
            )
        table.add_section()
    sums = [part.total() for part in counts]
    table.add_row(f"{len(made.labels)} classes", *map(str, sums), str(sum(sums)))
    results().print(table)
