"""Break input by chance, give it to the commands, and print what they do wrong; code 1 where that is anything.

    python -m tools.mutation streams SOURCE... --model MODEL [--count 500]
    python -m tools.mutation clips SOURCE... --model MODEL [--count 2000]

The sources are good, small videos; those of the project's tests do.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from tools.mutation.clips import try_clips
from tools.mutation.streams import try_streams
from tools.program import run

# What is tried: each takes sources, a model, a folder, a count and a seed, and yields faults.
KINDS: dict[str, tuple[Callable[..., Iterator[str]], int]] = {
    "streams": (try_streams, 500),
    "clips": (try_clips, 2000),
}


def main(
    kind: Annotated[str, typer.Argument(help=f"What to break: {', '.join(KINDS)}.")],
    sources: Annotated[list[Path], typer.Argument(help="Good videos, small ones.")],
    model: Annotated[Path, typer.Option(help="An .onnx file.")],
    count: Annotated[int | None, typer.Option(min=1, help="How many mutants.")] = None,
    seed: Annotated[int, typer.Option(help="Of what chance decides.")] = 0,
) -> None:
    """Break input and print what the commands do wrong with it."""
    if kind not in KINDS:
        raise typer.BadParameter(f"choose one of {', '.join(KINDS)}", param_hint="KIND")
    attempt, usual = KINDS[kind]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for fault in attempt(sources, model, Path(folder), count=count or usual, seed=seed):
            faults += 1
            print(fault, flush=True)
    print(f"{count or usual} {kind}, {faults} faults")
    sys.exit(int(bool(faults)))


if __name__ == "__main__":
    run(main)
