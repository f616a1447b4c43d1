"""The command `pptsn convert engine`."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.requirements import require

if TYPE_CHECKING:
    from pptsn.convert.engine.conversion import EngineReport
_SHOWN_WARNINGS = 3
ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The model; its precision is the plan's.")
]


def engine(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .engine file to write.")],
    builder: Annotated[str, typer.Option(help="tensorrt (this machine's GPU) or tensorrt-rtx.")] = "tensorrt",
    batch: Annotated[
        str,
        typer.Option(
            metavar="MIN,OPT,MAX",
            help="Crops a call: kernels are tuned for OPT, the batch of video files. GPU memory is reserved for "
            "MAX, twice or more; a MAX beyond OPT serves callers of infer() alone.",
        ),
    ] = "1,50,50",
    precision: Annotated[
        str | None, typer.Option(help="What FILE.onnx must be: fp32, fp16 or int8; any by default.")
    ] = None,
    workspace_mb: Annotated[int | None, typer.Option(min=1, help="Memory for one layer, MiB.")] = None,
    optimization_level: Annotated[
        int | None, typer.Option(min=0, max=5, help="0 builds fastest, 5 gives the fastest plan.")
    ] = None,
    timing_cache: Annotated[Path | None, typer.Option(help="Keep measurements here for the next build.")] = None,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="Run on every GPU from Ampere on (not on a Jetson).")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Run with later versions of this major number too.")
    ] = False,
    compute_capability: Annotated[
        list[str] | None, typer.Option(help="tensorrt-rtx: GPUs to build for, as in 8.6,8.9; may be repeated.")
    ] = None,
    rebuild_if_needed: Annotated[
        bool, typer.Option("--rebuild-if-needed", help="Keep a plan that is up to date and fits this machine.")
    ] = False,
) -> None:
    """Build a TensorRT plan and its manifest from an ONNX file.

    The model is checked first (pptsn convert check).  A plan runs on the kind of GPU and the version of TensorRT
    that it was built for: build it on the device.  TensorRT-RTX builds without a GPU, for RTX GPUs.

    Example: pptsn convert engine output/model.fp16.onnx -o output/model.fp16.engine --batch 1,25,25
    """
    from pptsn.convert.engine.options import BuildOptions, parse_batch, parse_compute_capabilities

    options = BuildOptions(
        builder=builder,
        batch=parse_batch(batch),
        workspace_mb=workspace_mb,
        optimization_level=optimization_level,
        timing_cache=timing_cache,
        hardware_compatible=hardware_compatible,
        version_compatible=version_compatible,
        compute_capabilities=parse_compute_capabilities(compute_capability or []),
    )
    require("onnx", "looking into an ONNX file", extra="rtx" if builder == "tensorrt-rtx" else "tensorrt")
    from pptsn.convert.engine.conversion import convert_to_engine

    started = time.monotonic()
    report = convert_to_engine(model, output, options, precision=precision, rebuild_if_needed=rebuild_if_needed)
    _show(report, output, time.monotonic() - started)


def _show(report: EngineReport, output: Path, seconds: float) -> None:
    """Print what was built."""
    from pptsn.runtime.base.progress import notes

    manifest = report.manifest
    for note in report.notes:
        notes().print(f"pptsn: note: {note}", markup=False)
    smallest, best, largest = manifest.profile
    later = " and later" if manifest.hardware_compatible else ""
    for warning in report.warnings[:_SHOWN_WARNINGS]:
        notes().print(f"{manifest.builder} warns: {' '.join(warning.split())}", markup=False)
    if report.built and report.reason:
        typer.echo(f"built because: {report.reason}")
    done = f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB) in {seconds:.0f} s"
    typer.echo(
        f"{done if report.built else f'{output} is up to date'}: {manifest.precision}, "
        f"{smallest} to {largest} crops a call (best {best}), by {manifest.builder} {manifest.builder_version} "
        f"for compute capability {', '.join(manifest.compute_capabilities)}{later}"
    )
    if report.precisions:
        counts = Counter(report.precisions.values())
        told = ", ".join(f"{count} in {precision.upper()}" for precision, count in sorted(counts.items()))
        typer.echo(f"of {report.convolutions} convolutions the build's log shows {told}")
