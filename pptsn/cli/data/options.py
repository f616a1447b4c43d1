"""What the commands that make lists share: options, and what they say of the lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.lines import say

if TYPE_CHECKING:
    from pptsn.training.datasets.listing import ClipList

ClipsOption = Annotated[
    Path, typer.Option("--clips", help="The folder of the clips, whatever the folders in it.", metavar="DIR")
]
FormatOption = Annotated[
    str, typer.Option("--format", help="videos, or frames: folders of pictures img_00001.jpg and on.")
]
PrefixOption = Annotated[
    Path | None,
    typer.Option(
        "--prefix",
        metavar="DIR",
        help="The folder that paths in the lists are relative to (data.prefix of a recipe); that of the clips if "
        "not given.",
    ),
]
ListArgument = Annotated[Path, typer.Argument(metavar="LIST", help="The list file.")]
ListPrefixOption = Annotated[
    Path | None,
    typer.Option(
        "--prefix", metavar="DIR", help="The folder that its paths are relative to; the list's own if not given."
    ),
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The folder of the lists.", metavar="DIR")]


@contextmanager
def looking() -> Iterator[None]:
    """Show that clips are looked for, which takes its time with hundreds of thousands."""
    from pptsn.runtime.base.progress import progress_bar

    with progress_bar() as bar:
        bar.add_task("looking for clips", total=None)
        yield


def show_lists(folder: Path, lists: dict[str, ClipList], prefix: Path) -> None:
    """Say what each list holds and what was found on the way, some of it by name."""
    from pptsn.runtime.base.errors import one_line
    from pptsn.training.datasets.listing import REPORT

    for name, made in lists.items():
        say(one_line(f"{folder / name}: {len(made.lines)} of {made.annotated} clips"))
        for line in _found(made):
            say(f"  {one_line(line)}")
    say(one_line(f"paths are relative to {prefix} (data.prefix); all names are in {folder / REPORT}"))


def _found(made: ClipList) -> Iterator[str]:
    from pptsn.runtime.video.names import some_of

    renamed = [f"{published} is {path}" for published, path in made.renamed.items()]
    kinds = {
        "missing": made.missing,
        "under another name": renamed,
        "annotated more than once, the first counts": made.repeated,
        "there more than once, the first counts": list(made.doubled),
        "cannot be listed": made.unusable,
    }
    for kind, names in kinds.items():
        if names:
            yield f"{len(names)} {kind}: {some_of(names)}"


def note_shared(one: str, other: str, lines: list[str]) -> None:
    """Say which clips of a test list the training list has as well."""
    from pptsn.runtime.base.progress import print_note
    from pptsn.runtime.video.names import counted, some_of

    if lines:
        print_note(f"{counted(len(lines), 'clip')} in {one} and in {other}: {some_of(lines)}")
