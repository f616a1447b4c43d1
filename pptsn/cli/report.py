"""The command `pptsn report`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.from_settings import from_settings
from pptsn.cli.lines import say
from pptsn.cli.requirements import require
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines.settings import EngineSettings

if TYPE_CHECKING:
    from pptsn.training.report.findings import Findings

_WHAT_HELP = "The folder of a training run, whose best weights are taken, or an .onnx or .engine file."


@from_settings
def report(
    what: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help=_WHAT_HELP)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    settings: ClassifySettings,
    runner: EngineSettings,
    test: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="LIST", help="Clips with their classes; the test list of a run if not given."
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="Other clips, to fit the temperature by; a run's own if not given."),
    ] = None,
) -> None:
    """Say on one page how right a model is, of which classes, how sure, and where it fails.

    The folder holds the page (index.html), its figures as JSON, every clip's row and the confusion matrix as CSV,
    and both plots. The temperature that makes scores of the validation list likeliest goes into the spec of a
    run's best weights, and so into what is exported from them. Of a cross-validated run the answers are those that
    it gave in training, each of a classifier that has not learned from the clip; the page says so.

    A clip that cannot be read counts as wrong, is named, and makes the exit code 1.

    Example: pptsn report output/mine -o output/mine-report
    """
    for package in ("pydantic", "yaml", "matplotlib", "jinja2"):
        require(package, "a report", extra="train")
    if what.is_dir():
        require("paddle", "running a checkpoint", extra="train")
    from pptsn.training.report.run import report as run

    findings = run(what, output, settings=settings, runner=runner, test=test, validation=validation)
    _show(findings, output)
    if findings.answered.failures:
        raise typer.Exit(1)


def _show(findings: Findings, output: Path) -> None:
    from pptsn.cli.clip_warnings import print_warnings
    from pptsn.runtime.classify.results import Classification

    figures = findings.figures
    top1 = "cross-validated top-1" if findings.folds else "top-1"
    say(f"{top1} {figures.top1} ({findings.looked_at}; {findings.spec.precision}, {findings.engine})")
    if findings.temperature is not None and findings.calibration is not None:
        kept = ", kept in the spec of its best weights" if findings.is_kept else ""
        at_it = " without it" if findings.calibrated is None else f", {findings.calibrated.error:.1%} at it"
        say(
            f"temperature {findings.temperature:.3g}{kept}: calibration error {findings.calibration.error:.1%}"
            f"{at_it}"
        )
    for note in findings.notes:
        say(f"note: {note}")
    for failure in findings.answered.failures:
        say(f"pptsn: error: {failure.error}", err=True)
    results = findings.answered.results
    warned = [result.told for result in results if isinstance(result, Classification) and result.warnings]
    print_warnings(warned, total=len(results), failed=len(findings.answered.failures))
    say(f"the report is {output / 'index.html'}")
