"""The command `pptsn synthesize`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.lines import say


def synthesize(
    output: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    seed: Annotated[int, typer.Option(min=0, help="Decides every clip.")] = 0,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Processes that make clips.")] = 2,
    hard: Annotated[bool, typer.Option("--hard", help="Smaller shapes, behind bars and in more noise.")] = False,
) -> None:
    """Make a small labelled set of real H.264 files, to try everything with.

    Eight classes of coloured shapes that move over cluttered, noisy backgrounds, with list files for training,
    validation and test.  The same seed makes the same frames; a finished set is left as it is.
    """
    from pptsn.runtime.base.progress import progress_bar
    from pptsn.training.synthetic.dataset import SyntheticSettings, make_dataset

    with progress_bar() as bar:
        task = bar.add_task("making clips", total=None)
        made = make_dataset(
            output,
            settings=SyntheticSettings(seed=seed, hard=hard),
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    say(f"the set is in {made.root}: lists {made.train.name}, {made.val.name}, {made.test.name}")
