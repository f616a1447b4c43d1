"""The command `pptsn convert engine`."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.from_settings import from_settings
from pptsn.cli.lines import say
from pptsn.cli.requirements import require
from pptsn.convert.engine.options import BuildOptions

if TYPE_CHECKING:
    from pptsn.convert.engine.conversion import EngineReport
_SHOWN_WARNINGS = 3
ModelArgument = Annotated[
    Path, typer.Argument(metavar="FILE.onnx", help="The model; its precision is the plan's.")
]


@from_settings
def engine(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .engine file to write.")],
    options: BuildOptions,
    precision: Annotated[
        str | None, typer.Option(help="What FILE.onnx must be: fp32, fp16 or int8; any by default.")
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
    require("onnx", "looking into an ONNX file", extra="rtx" if options.builder == "tensorrt-rtx" else "tensorrt")
    from pptsn.convert.engine.conversion import convert_to_engine

    started = time.monotonic()
    report = convert_to_engine(model, output, options, precision=precision, rebuild_if_needed=rebuild_if_needed)
    _show(report, output, time.monotonic() - started)


def _show(report: EngineReport, output: Path, seconds: float) -> None:
    """Print what was built."""
    from pptsn.runtime.base.progress import notes, print_note

    manifest = report.manifest
    for note in (*([f"the plan was not proven: {report.unproven}"] if report.unproven else []), *report.notes):
        print_note(note)
    smallest, best, largest = manifest.profile
    later = " and later" if manifest.hardware_compatible else ""
    for warning in report.warnings[:_SHOWN_WARNINGS]:
        notes().print(f"{manifest.builder} warns: {' '.join(warning.split())}", markup=False)
    if report.built and report.reason:
        say(f"built because: {report.reason}")
    done = f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB) in {seconds:.0f} s"
    say(
        f"{done if report.built else f'{output} is up to date'}: {manifest.precision}, "
        f"{smallest} to {largest} crops a call (best {best}), by {manifest.builder} {manifest.builder_version} "
        f"for compute capability {', '.join(manifest.compute_capabilities)}{later}"
    )
    if report.built:
        for proof in manifest.proofs:
            say(
                f"proven against Paddle's logits for {proof.crops} crops on {proof.device}: normalised error "
                f"{proof.error:.2e}, {proof.limit:.2g} allowed"
            )
    if report.precisions:
        counts = Counter(report.precisions.values())
        shares = ", ".join(f"{count} in {precision.upper()}" for precision, count in sorted(counts.items()))
        say(f"of {report.convolutions} convolutions the build's log shows {shares}")
