"""The command `pptsn data ucf101`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from pptsn.training.datasets.listing import ClipList


def ucf101(
    annotations: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of classInd.txt, trainlist01.txt to testlist03.txt.")
    ],
    clips: ClipsOption,
    output: OutputOption,
    format: FormatOption = "videos",
    prefix: PrefixOption = None,
) -> None:
    """Make the lists of UCF-101's three splits from its annotation files.

    Writes ucf101_train_split_1_videos.txt, ucf101_val_split_1_videos.txt and so on (of frames: ..._rawframes.txt),
    the class table labels.txt, and lists.report.json, which names every clip that is missing, called otherwise or
    there twice.

    Example: pptsn data ucf101 annotations/ --clips data/ucf101/videos --output data/ucf101
    """
    from pptsn.runtime.base.progress import print_note
    from pptsn.runtime.classify.lists import check_list_format
    from pptsn.training.datasets import ucf101 as annotated
    from pptsn.training.datasets.listing import in_both, list_clips, write_lists
    from pptsn.training.datasets.stored import StoredClips

    check_list_format(format)
    classes = annotated.read_classes(annotations)
    if len(classes) != annotated.CLASSES:
        print_note(f"{annotations}: names {len(classes)} classes, UCF-101 has {annotated.CLASSES}")
    folds = {fold: annotated.read_fold(annotations, fold, classes) for fold in annotated.FOLDS}
    with looking():
        stored = StoredClips(clips, format=format)
    suffix = "videos" if format == "videos" else "rawframes"
    lists: dict[str, ClipList] = {}
    for fold, named in folds.items():
        made = list_clips(named, stored, format=format, prefix=prefix)
        names = {split: f"ucf101_{split}_split_{fold}_{suffix}.txt" for split in made}
        lists |= {names[split]: made[split] for split in made}
        if len(made) == 2:
            note_shared(names["train"], names["val"], in_both(made["train"], made["val"]))
    write_lists(output, lists, classes)
    show_lists(output, lists, prefix or clips)
