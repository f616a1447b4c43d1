"""The command `pptsn convert fp16`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import Annotated

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
from pptsn.convert.fp16.options import Fp16Options


@from_settings
def convert_fp16(
    model: ModelArgument,
    output: OutputOption,
    options: Fp16Options,
    clips: Annotated[
        str | None, typer.Option(help=f"{CALIBRATION_HELP}  Without any, drawn pictures serve.")
    ] = None,
) -> None:
    """Convert an FP32 model to FP16: half the size, and twice the speed on a GPU.

    Crops go in and logits come out as before.  The file is compared with the FP32 model on frames of --clips.

    Example: pptsn convert fp16 model.onnx -o model.fp16.onnx --clips clips/
    """
    require("onnx", "converting a model", extra="convert")
    require("onnxruntime", "proving a converted model", extra="cpu")
    from pptsn.convert.fp16.conversion import convert_to_fp16
    from pptsn.convert.frames import calibration_sources
    from pptsn.convert.verify.table import report_line
    from pptsn.runtime.base.progress import notes

    sources = () if clips is None else calibration_sources(clips)
    with notes().status("converting"):
        report = convert_to_fp16(model, output, clips=sources, options=options)
    warn_of_skipped(report.skipped)
    say(report_line(report))
    say(written(output, model))
