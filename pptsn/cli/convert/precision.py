"""What the commands that change the precision of a model share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The FP32 model of `pptsn convert onnx`.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")]
CALIBRATION_HELP = "Real clips: a training list (`path label` a line), a folder, a file, a pattern or @LIST."


def warn_of_skipped(skipped: Sequence[str]) -> None:
    """Name the clips that could not be read."""
    from pptsn.runtime.base.progress import notes

    for line in skipped:
        notes().print(f"pptsn: warning: skipped {line}", style="yellow", markup=False)


def written(output: Path, model: Path) -> str:
    """Say what was written, and how large it is beside what it was made of."""
    size, before = output.stat().st_size, model.stat().st_size
    return f"wrote {output} ({size / 1e6:.1f} MB, {size / before:.1%} of {model})"
