"""The command `pptsn data k400`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.data.options import (
    ClipsOption,
    FormatOption,
    OutputOption,
    PrefixOption,
    looking,
    note_shared,
    show_lists,
)


def k400(
    annotations: Annotated[
        list[Path],
        typer.Argument(metavar="CSV...", help="train.csv, val.csv and so on, or the folder they are in."),
    ],
    clips: ClipsOption,
    output: OutputOption,
    format: FormatOption = "videos",
    prefix: PrefixOption = None,
) -> None:
    """Make the lists of Kinetics-400 from its annotation files.

    Writes train.list, val.list and so on, as the annotations have splits, the class table labels.txt, and
    lists.report.json, which names every clip that is missing, called otherwise or there twice.  Clips are found by
    their names, ID_000010_000020.mp4, ID_10_20.mp4 or ID.mp4, in whatever folder; class folders with spaces or
    underscores.  Classes are numbered alphabetically: 5 is archery.

    Example: pptsn data k400 annotations/ --clips data/k400/videos --output data/k400
    """
    from pptsn.runtime.base.progress import print_note
    from pptsn.runtime.classify.lists import check_list_format
    from pptsn.runtime.model.labels import kinetics400
    from pptsn.training.datasets.kinetics import read_annotations
    from pptsn.training.datasets.listing import in_both, list_clips, write_lists
    from pptsn.training.datasets.stored import StoredClips

    check_list_format(format)
    with looking():
        annotated = read_annotations(annotations, note=print_note)
        made = list_clips(annotated, StoredClips(clips, format=format), format=format, prefix=prefix)
    lists = {f"{split}.list": made[split] for split in ("train", "val", "test") if split in made}
    write_lists(output, lists, kinetics400())
    show_lists(output, lists, prefix or clips)
    for split in ("val", "test"):
        if split in made and "train" in made:
            note_shared("train.list", f"{split}.list", in_both(made["train"], made[split]))
