"""The command `pptsn convert int8`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.convert.precision import (
    CALIBRATION_HELP,
    CompensateOption,
    ModelArgument,
    OutputOption,
    warn_of_skipped,
    written,
)
from pptsn.cli.requirements import require

if TYPE_CHECKING:
    from pptsn.convert.int8.conversion import Int8Result

# Where the tables go to a file or a pipe, the columns that they may take.
_PIPED_COLUMNS = 120


def convert_int8(
    model: ModelArgument,
    output: OutputOption,
    target: Annotated[str, typer.Option(help="What will run it: tensorrt, or cpu (ONNX Runtime).")],
    calibration: Annotated[str, typer.Option(help=CALIBRATION_HELP)],
    method: Annotated[
        str,
        typer.Option(
            help="min-max, percentile (99.99), percentile-99.9, percentile-99, entropy, mse; or auto: tries all."
        ),
    ] = "auto",
    placement: Annotated[
        str | None,
        typer.Option(
            help="For tensorrt: residual (the default: shortcuts too, so that additions fuse), convolutions; or "
            "auto, which takes the one of the smaller error."
        ),
    ] = None,
    skip_layers: Annotated[
        str | None,
        typer.Option(help="Convolutions that stay in floating point: NAME,NAME or auto:K, the K most sensitive."),
    ] = None,
    sensitivity: Annotated[bool, typer.Option(help="Measure the error of each layer quantized alone.")] = False,
    frames: Annotated[int, typer.Option(min=24, max=100_000, help="Frames to calibrate on.")] = 256,
    min_agreement: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Smallest share of held-out frames that keep their answer.")
    ] = 0.9,
    compensate: CompensateOption = True,
    cache: Annotated[bool, typer.Option(help="Keep what calibration observed for the next time.")] = True,
) -> None:
    """Quantize an FP32 model to INT8 after training, on real frames.

    For TensorRT what is not INT8 is FP16; for the CPU it is FP32.  A third as many frames as it calibrates on are
    held out, and the figures are theirs.  Clips that cannot be read are named and left out.

    Example: pptsn convert int8 model.onnx -o model.int8.onnx --target tensorrt --calibration clips/
    """
    require("onnx", "converting a model", extra="convert")
    require("onnxruntime", "proving a converted model", extra="cpu")
    from pptsn.convert.frames import calibration_sources
    from pptsn.convert.int8.conversion import convert_to_int8
    from pptsn.convert.int8.options import Int8Options, SkipLayers
    from pptsn.convert.int8.tables import candidates_table, layers_table
    from pptsn.convert.verify.table import report_line
    from pptsn.runtime.base.progress import results

    options = Int8Options(
        target=target,
        method=method,
        placement=placement,
        skip=SkipLayers.parse(skip_layers) if skip_layers else SkipLayers(),
        sensitivity=sensitivity,
        frames=frames,
        min_agreement=min_agreement,
        compensate=compensate,
        cache=cache,
    )
    result = convert_to_int8(model, output, calibration_sources(calibration), options=options)
    warn_of_skipped(result.frames.skipped)
    console = results(piped_columns=_PIPED_COLUMNS)
    if result.layers:
        console.print(layers_table(result.layers))
    console.print(candidates_table(result.candidates, result.chosen))
    typer.echo(_summary(result))
    typer.echo(report_line(result.report))
    result.report.require_passed()
    typer.echo(written(output, model))


def _summary(result: Int8Result) -> str:
    chosen, frames = result.chosen, result.frames
    return (
        f"chose {chosen.method}, {chosen.placement}: {result.quantized} of {result.convolutions} convolutions in "
        f"INT8, calibrated on {len(frames.calibration)} frames and judged on {len(frames.held_out)} others, "
        f"of {frames.clips} clips"
    )
