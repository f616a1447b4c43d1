"""The commands that check a model for TensorRT and build its engine.  Heavy imports wait until a command runs."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from convert.engine import EngineReport

_SHOWN_WARNINGS = 3
_SHOWN_FINDINGS = 5

ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The model; its precision is the plan's.")
]


def add_engine_commands(app: typer.Typer) -> None:
    """Add the commands `check` and `engine` to `app`."""
    app.command("check")(check)
    app.command("engine")(engine)


def check(
    model: ModelArgument,
    every: Annotated[bool, typer.Option("--all", help="Show every finding, not the first few of a kind.")] = False,
) -> None:
    """Say what TensorRT would refuse about a model, from its graph alone.

    Every finding has its node and what to do about it.  Exit code 1 where anything would be refused; advice alone
    does not count.

    Example: pptsn convert check output/model.int8.onnx
    """
    _require_onnx()
    from convert.checks import check_file

    findings = check_file(model)
    for kind in dict.fromkeys(finding.rule for finding in findings):
        alike = [finding for finding in findings if finding.rule == kind]
        shown = alike if every else alike[:_SHOWN_FINDINGS]
        for finding in shown:
            typer.echo(f"{'refused' if finding.refused else 'advice'}: {finding}")
        if len(shown) < len(alike):
            typer.echo(f"... and {len(alike) - len(shown)} more of this kind: --all shows them")
    refused = sum(finding.refused for finding in findings)
    if refused:
        typer.echo(f"{model}: TensorRT would refuse it for {refused} fault{'s' * (refused > 1)}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{model}: nothing found that TensorRT would refuse")


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
    from convert.engine_options import BuildOptions, parse_batch, parse_compute_capabilities

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
    _require_onnx()
    from convert.engine import convert_to_engine

    started = time.monotonic()
    report = convert_to_engine(model, output, options, precision=precision, rebuild_if_needed=rebuild_if_needed)
    _show(report, output, time.monotonic() - started)


def _require_onnx() -> None:
    """Raise MissingDependencyError where the package `onnx` is missing."""
    from runtime.errors import MissingDependencyError, install_command

    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "onnx", f"looking into an ONNX file needs it ({error})", f"run: {install_command('tensorrt')}"
        ) from error


def _show(report: EngineReport, output: Path, seconds: float) -> None:
    """Print what was built."""
    from runtime.progress import notes

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
