"""The commands that convert and prove models.  Heavy imports wait until a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.engine_cli import add_engine_commands
from convert.precision_cli import add_precision_commands
from convert.verify_cli import show_report, verify

ToleranceOption = Annotated[float, typer.Option(min=0.0, help="Largest logit difference that passes.")]

_convert = typer.Typer(no_args_is_help=True, help="Convert a Paddle export to the files that devices run.")
add_precision_commands(_convert)
add_engine_commands(_convert)


def mount(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(_convert, name="convert")
    app.command()(verify)


@_convert.command("onnx")
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
    from convert.paddle_to_onnx import require_paddle2onnx

    require_paddle2onnx()  # before what follows imports it
    from convert.to_onnx import convert_to_onnx
    from runtime.progress import notes

    with notes().status("converting"):
        report = convert_to_onnx(export, output, mirror=mirror, tolerance=tolerance)
    show_report(report)
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
