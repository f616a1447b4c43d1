"""The command `pptsn convert onnx`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.lines import say
from pptsn.cli.requirements import require
from pptsn.cli.verify import show_report

ToleranceOption = Annotated[float, typer.Option(min=0.0, help="Largest logit difference that passes.")]


def convert_onnx(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="The folder that `pptsn export` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    mirror: Annotated[bool, typer.Option(help="Average each crop with its mirror image inside the graph.")] = True,
    tolerance: ToleranceOption = 1e-3,
) -> None:
    """Convert an export to one ONNX file: uint8 crops in, logits out.

    The file is verified against the logits that Paddle gave, and written only where they agree.

    Example: pptsn convert onnx output/export -o output/model.onnx
    """
    from pptsn.convert.graph.from_paddle import require_paddle2onnx

    require_paddle2onnx()  # before what follows imports it
    require("onnxruntime", "proving a converted model", extra="cpu")
    from pptsn.convert.graph.conversion import convert_to_onnx
    from pptsn.runtime.base.progress import notes

    with notes().status("converting"):
        report = convert_to_onnx(export, output, mirror=mirror, tolerance=tolerance)
    show_report(report)
    say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
