"""The command `pptsn convert int8`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.convert.precision import (
    CALIBRATION_HELP,
    ModelArgument,
    OutputOption,
    warn_of_skipped,
    written,
)
from pptsn.cli.from_settings import from_settings
from pptsn.cli.lines import say
from pptsn.cli.requirements import require
from pptsn.convert.int8.options import Int8Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from pptsn.convert.int8.conversion import Int8Result
    from pptsn.convert.int8.options import Recipe
    from pptsn.convert.int8.search import Candidate, LayerError

# Where the tables go to a file or a pipe, the columns that they may take.
_PIPED_COLUMNS = 120


@from_settings
def convert_int8(
    model: ModelArgument,
    output: OutputOption,
    calibration: Annotated[str, typer.Option(help=CALIBRATION_HELP)],
    options: Int8Options,
) -> None:
    """Quantize an FP32 model to INT8 after training, on real frames.

    For TensorRT what is not INT8 is FP16; for the CPU it is FP32.  A third as many frames as it calibrates on are
    held out, and the figures are theirs.  Clips that cannot be read are named and left out.  Weights that were
    trained with the rounding of an INT8 file (model.int8 in the recipe) go with that file in --scales-of.

    Example: pptsn convert int8 model.onnx -o model.int8.onnx --target tensorrt --calibration clips/
    """
    require("onnx", "converting a model", extra="convert")
    require("onnxruntime", "proving a converted model", extra="cpu")
    from pptsn.convert.frames import calibration_sources
    from pptsn.convert.int8.conversion import convert_to_int8
    from pptsn.convert.verify.table import report_line
    from pptsn.runtime.base.progress import results

    result = convert_to_int8(model, output, calibration_sources(calibration), options=options)
    warn_of_skipped(result.frames.skipped)
    console = results(piped_columns=_PIPED_COLUMNS)
    if result.layers:
        console.print(_layers_table(result.layers))
    console.print(_candidates_table(result.candidates, result.chosen))
    say(_summary(result, options))
    say(report_line(result.report))
    result.report.require_passed()
    say(written(output, model))


def _summary(result: Int8Result, options: Int8Options) -> str:
    chosen, frames = result.chosen, result.frames
    scales = f"calibrated on {len(frames.calibration)} frames and judged on {len(frames.held_out)} others"
    if options.scales_of:
        scales = f"by the scales of {options.scales_of}, judged on {len(frames.held_out)} frames"
    return (
        f"{'took' if options.scales_of else 'chose'} {chosen.method}, {chosen.placement}: {result.quantized} of "
        f"{result.convolutions} convolutions in INT8, {scales}, of {frames.clips} clips"
    )


def _candidates_table(candidates: Sequence[Candidate], chosen: Recipe) -> Table:
    """Return the table of all trials; a star marks `chosen`.

    error, worst: the median and the largest normalised logit error of a frame (`agreement.normalised_errors`).
    """
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        "", "method", "placement", "skipped", "error", "worst", "same answer",
        title="On held-out frames", title_justify="left", box=SIMPLE,
    )  # fmt: skip
    for candidate in candidates:
        recipe, figures = candidate.recipe, candidate.figures
        table.add_row(
            "*" if recipe == chosen else "",
            recipe.method,
            recipe.placement,
            str(len(recipe.skipped)),
            f"{figures.error_median:.4f}",
            f"{figures.error_worst:.4f}",
            f"{figures.top1:.1%}",
        )
    return table


def _layers_table(layers: Sequence[LayerError]) -> Table:
    """Return the table of each convolution's own error."""
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    from pptsn.runtime.base.errors import one_line

    table = Table(
        "layer", "error", "worst",
        title="One layer quantized alone", title_justify="left", box=SIMPLE,
    )  # fmt: skip
    for layer in layers:
        table.add_row(escape(one_line(layer.layer)), f"{layer.median:.4f}", f"{layer.worst:.4f}")
    return table
