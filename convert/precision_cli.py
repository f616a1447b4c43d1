"""The commands that make FP16 and INT8 models.  Heavy imports wait until a command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from convert.to_int8 import Int8Result

ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The FP32 model of `pptsn convert onnx`.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")]
CompensateOption = Annotated[
    bool, typer.Option(help="Round weights such that their errors cancel on the frames given.")
]

_CALIBRATION_HELP = "Real clips: a training list (`path label` a line), a folder, a file, a pattern or @LIST."


def add_precision_commands(app: typer.Typer) -> None:
    """Add `fp16` and `int8` to `app`."""
    app.command("fp16")(convert_fp16)
    app.command("int8")(convert_int8)


def convert_fp16(
    model: ModelArgument,
    output: OutputOption,
    clips: Annotated[
        str | None, typer.Option(help=f"{_CALIBRATION_HELP}  Without any, drawn pictures serve.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest normalised logit error of a frame that passes.")
    ] = 0.02,
    compensate: CompensateOption = True,
) -> None:
    """Convert an FP32 model to FP16: half the size, and twice the speed on a GPU.

    Crops go in and logits come out as before.  The file is compared with the FP32 model on frames of --clips.

    Example: pptsn convert fp16 model.onnx -o model.fp16.onnx --clips clips/
    """
    from convert.frames import calibration_sources
    from convert.to_fp16 import convert_to_fp16
    from convert.verify_table import report_line
    from runtime.progress import notes

    sources = () if clips is None else calibration_sources(clips)
    with notes().status("converting"):
        report = convert_to_fp16(model, output, clips=sources, tolerance=tolerance, compensate=compensate)
    _warn(report.skipped)
    typer.echo(report_line(report))
    typer.echo(_written(output, model))


def convert_int8(
    model: ModelArgument,
    output: OutputOption,
    target: Annotated[str, typer.Option(help="What will run it: tensorrt, or cpu (ONNX Runtime).")],
    calibration: Annotated[str, typer.Option(help=_CALIBRATION_HELP)],
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
    from convert.frames import calibration_sources
    from convert.quantization.skipping import SkipLayers
    from convert.quantization.tables import candidates_table, layers_table, print_tables
    from convert.to_int8 import Int8Options, convert_to_int8
    from convert.verify_table import report_line

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
    result = convert_to_int8(model, output, calibration_sources(calibration), options=options, bar=_bar)
    _warn(result.frames.skipped)
    if result.layers:
        print_tables(layers_table(result.layers))
    print_tables(candidates_table(result.candidates, result.chosen))
    typer.echo(_summary(result))
    typer.echo(report_line(result.report))
    result.report.require_passed()
    typer.echo(_written(output, model))


def _warn(skipped: Sequence[str]) -> None:
    """Name the clips that could not be read."""
    from runtime.progress import notes

    for line in skipped:
        notes().print(f"pptsn: warning: skipped {line}", style="yellow", markup=False)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; see `convert.progress.Bar`."""
    from runtime.progress import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _summary(result: Int8Result) -> str:
    chosen, frames = result.chosen, result.frames
    return (
        f"chose {chosen.method}, {chosen.placement}: {result.quantized} of {result.convolutions} convolutions in "
        f"INT8, calibrated on {len(frames.calibration)} frames and judged on {len(frames.held_out)} others, "
        f"of {frames.clips} clips"
    )


def _written(output: Path, model: Path) -> str:
    size, before = output.stat().st_size, model.stat().st_size
    return f"wrote {output} ({size / 1e6:.1f} MB, {size / before:.1%} of {model})"
