"""The command `pptsn data frames`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.data.options import ListArgument, ListPrefixOption
from pptsn.cli.device_options import DecodersOption
from pptsn.cli.lines import say


def frames(
    list_file: ListArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of the frames, and of their list.")
    ],
    prefix: ListPrefixOption = None,
    short_side: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            metavar="PX",
            help="Resize to this short side; as they are, as published, if not given.",
        ),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs; the published tools' is 95.")] = 95,
    decoders: DecodersOption = "auto",
) -> None:
    """Extract the frames of a list's videos, and write the list of their folders.

    The frames of CLASS/x.mp4 are CLASS/x.mp4/img_00001.jpg and on, every one that the video has.  A folder is
    there whole or not at all: the same command goes on where it was stopped.  Exit code 1 where a video cannot be
    read.

    Example: pptsn data frames data/k400/train.list --prefix data/k400/videos --output data/k400_frames
    """
    from pptsn.runtime.base.errors import one_line
    from pptsn.runtime.base.progress import print_note, steps_bar
    from pptsn.runtime.decoding.decoders import read_decoders
    from pptsn.training.datasets.extraction import FrameSettings, extract_frames

    with steps_bar("extracting") as progress:
        made = extract_frames(
            list_file,
            output,
            prefix=prefix,
            settings=FrameSettings(short_side, quality),
            decoders=read_decoders(decoders),
            progress=progress,
        )
    failed = [video for video in made.videos if video.error]
    for video in made.videos:
        if video.warnings:
            print_note(f"{output / video.folder}: {video.warnings}")
    for video in failed:
        say(f"pptsn: error: {one_line(video.error)}", err=True)
    there = sum(video.was_there for video in made.videos)
    counted = f"{len(made.videos) - len(failed)} of {len(made.videos)} videos ({there} were there)"
    frames = sum(video.frames for video in made.videos)
    say(one_line(f"{made.list_file}: {counted}, {frames} frames; {made.lines} lines"))
    if failed:
        raise typer.Exit(1)
