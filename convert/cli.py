"""The commands that convert and prove models.  Heavy imports wait until a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from convert.verify import Report

ToleranceOption = Annotated[float, typer.Option(min=0.0, help="Largest logit difference that passes.")]

_convert = typer.Typer(no_args_is_help=True, help="Convert a Paddle export to the files that devices run.")


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
    _show(report)
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


def verify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .onnx file to prove.")],
    reference: Annotated[
        Path | None, typer.Option(help="Export folder: compare with the logits that Paddle gave.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Another model: compare both on --clips.")] = None,
    clips: Annotated[
        list[str] | None, typer.Option(help="File, folder, pattern or @LIST of videos; may be repeated.")
    ] = None,
    segments: Annotated[int, typer.Option(min=1, help="Frames to look at, with --against.")] = 3,
    views: Annotated[str, typer.Option(help="Crops of each frame: ten, three or center.")] = "ten",
    tolerance: ToleranceOption = 1e-3,
    device: Annotated[str, typer.Option(help="Where the models run: cpu, cuda or cuda:N.")] = "cpu",
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Where the JSON report goes; MODEL's name with .report.json.")
    ] = None,
) -> None:
    """Prove that a model gives the logits of its export, or of another model.

    Exit code 1 where the largest logit difference exceeds --tolerance or a clip cannot be read; the report is
    written either way.

    Example: pptsn verify output/model.onnx --reference output/export
    """
    from convert.verify import report_path, verify_models, verify_reference
    from runtime.engines import open_engine
    from runtime.errors import UsageError
    from runtime.progress import notes
    from runtime.sources import expand_sources

    if (reference is None) == (against is None):
        raise UsageError("verify", "needs either --reference EXPORT or --against MODEL")
    if (against is None) != (not clips):
        raise UsageError("--clips", "goes with --against MODEL", "name both, or --reference EXPORT alone")
    report_file = report_file or report_path(model)
    _check_report_place(report_file, model, against)
    with notes().status("verifying"):
        if against is not None:
            sources = expand_sources(clips or [])
            report = verify_models(
                model, against, sources, segments=segments, views=views, tolerance=tolerance, device=device
            )
        else:
            with open_engine(model, device=device) as engine:
                report = verify_reference(engine, str(reference), name=model, tolerance=tolerance)
    report.write(report_file)
    _show(report)
    report.require_passed()
    if report.skipped:
        raise typer.Exit(1)


def _check_report_place(report_file: Path, *models: Path | None) -> None:
    """Refuse to write the report over a model."""
    from runtime.errors import UsageError

    for model in models:
        if model is not None and model.exists() and report_file.exists() and report_file.samefile(model):
            raise UsageError("--report", f"{report_file} is the model {model} itself", "choose another name")


def _show(report: Report) -> None:
    """Print the figures of a report."""
    figures = report.figures
    verdict = "passed" if report.passed else "FAILED"
    typer.echo(
        f"{verdict}: {report.model} against {report.against}: {figures.rows} rows, "
        f"logits differ by {figures.max_abs:.2e} at most and {figures.mean_abs:.2e} on average "
        f"(tolerance {report.tolerance:g}), top-1 agreement {figures.top1:.1%}, top-5 {figures.top5:.1%}"
    )
    for reason in report.skipped:
        typer.echo(f"skipped {reason}", err=True)
