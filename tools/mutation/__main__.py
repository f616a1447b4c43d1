"""Break input by chance, give it to the commands, and print what they do wrong; code 1 where that is anything.

    python -m tools.mutation streams SOURCE... --model MODEL [--count 500]
    python -m tools.mutation clips SOURCE... --model MODEL [--count 2000]
    python -m tools.mutation recipes|labels|lists|specs|manifests|checkpoints|models [SOURCE...]

The sources are good, small videos; those of the project's tests do.  Documents, checkpoints and models are made
from examples of their own where none is named, and read in a process that may take 60 s for each, and 200 MB and
three times its size.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from tools.mutation.clips import try_clips
from tools.mutation.read import KINDS, try_files
from tools.mutation.streams import try_streams
from tools.program import run

# What is tried: each takes sources, a model, a folder, a count and a seed, and yields faults.
_COMMANDS: dict[str, tuple[Callable[..., Iterator[str]], int]] = {
    "streams": (try_streams, 500),
    "clips": (try_clips, 2000),
}
_NAMES = (*_COMMANDS, *KINDS)


def main(
    kind: Annotated[str, typer.Argument(help=f"What to break: {', '.join(_NAMES)}.")],
    sources: Annotated[list[Path] | None, typer.Argument(help="Good videos, small ones; or good files.")] = None,
    model: Annotated[Path | None, typer.Option(help="An .onnx file, for videos.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many mutants.")] = None,
    seed: Annotated[int, typer.Option(help="Of what chance decides.")] = 0,
) -> None:
    """Break input and print what the commands do wrong with it."""
    if kind not in _NAMES:
        raise typer.BadParameter(f"choose one of {', '.join(_NAMES)}", param_hint="KIND")
    if kind in _COMMANDS and not (sources and model):
        raise typer.BadParameter("videos and --model are needed", param_hint="SOURCE")
    usual = KINDS[kind].count if kind in KINDS else _COMMANDS[kind][1]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for fault in _attempts(kind, sources or [], model, Path(folder), count=count or usual, seed=seed):
            faults += 1
            print(fault, flush=True)
    print(f"{count or usual} {kind}, {faults} faults")
    sys.exit(int(bool(faults)))


def _attempts(
    kind: str, sources: list[Path], model: Path | None, folder: Path, *, count: int, seed: int
) -> Iterator[str]:
    if kind in KINDS:
        return try_files(kind, sources, folder, count=count, seed=seed)
    return _COMMANDS[kind][0](sources, model, folder, count=count, seed=seed)


if __name__ == "__main__":
    run(main)
