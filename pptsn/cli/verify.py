"""The command that proves models.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.from_settings import from_settings
from pptsn.cli.lines import say
from pptsn.convert.verify.limits import Gates
from pptsn.convert.verify.runs import Runs

if TYPE_CHECKING:
    from pptsn.convert.verify.chain import Chain
    from pptsn.convert.verify.proof import Proof
    from pptsn.convert.verify.report import Report
    from pptsn.runtime.decoding.clips import Source


@from_settings
def verify(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL", help="An .onnx or .engine file, or an export folder (run by Paddle)."),
    ],
    runs: Runs,
    gates: Gates,
    reference: Annotated[
        Path | None, typer.Option(help="Export folder: compare one MODEL with the logits that Paddle gave.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare one MODEL with this one, on --clips or --labelled.")
    ] = None,
    clips: Annotated[
        list[str] | None, typer.Option(help="File, folder, pattern or @LIST of videos; may be repeated.")
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST",
            help="Lines `path label`, or `directory frame_count label`, for top-1 and top-5 as well.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Compare no more than this many of the clips, evenly spread.")
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Where the JSON report goes; if not given, beside the (last) MODEL: NAME.verify.report.json, or "
            "NAME.chain.report.json of several, NAME being without .onnx.",
        ),
    ] = None,
) -> None:
    """Prove that models give the answers of their export, or of one another.

    With two or more MODELs: one table, in which the first is the reference of the others, each step also beside
    the one before.  One MODEL and nothing else: it is compared with the reference that it carries, a few crops and
    Paddle's logits for them; this proves the build of it on --device by --backend, not its accuracy.

    What passes: with any of --tolerance, --max-drop and --min-agreement, those limits alone.  Without them it
    goes by the coarsest precision compared: FP32 within 1e-3 of each logit; FP16, and FP32 on a GPU, within a
    normalised error of 0.02 (RMS over a row, divided by the deviation of its logits, or by the median one of all
    rows where that is more); INT8 the same leading class in 98 % of the rows.

    Exit code 1 where a limit is not kept or a clip cannot be read; table and report come first.  The report of
    a conversion, NAME.report.json, stays as it is.

    Example: pptsn verify output/export output/model.onnx output/model.int8.onnx --labelled test.txt --max-drop 0.5
    """
    from pptsn.convert.verify.report import check_report_path, verification_path

    alone = len(models) == 1 and not models[0].is_dir() and not (reference or against or clips or labelled)
    if not alone:
        _check_form(models, reference, against, clips, labelled)
    if reference is not None or alone:
        _check_reference_options("one MODEL alone" if alone else "--reference", clips, labelled, limit, gates)
    sources, labels = _read_clips(clips, labelled)
    result: Report | Chain | Proof
    path = report_file or verification_path(models)
    compared = [model for model in (*models, reference, against) if model is not None]
    check_report_path(path, compared, [*(clips or []), labelled, *sources])
    if alone:
        result = _by_its_own_reference(models[0], runs, gates)
    elif reference is not None:
        result = _against_reference(models[0], reference, runs, gates)
    elif against is not None:
        from pptsn.convert.verify.chain import verify_models

        result = verify_models(models[0], against, sources, runs=runs, gates=gates, labels=labels, limit=limit)
    else:
        from pptsn.convert.verify.chain import verify_chain

        result = verify_chain(models, sources, runs=runs, gates=gates, labels=labels, limit=limit)
    show_report(result)
    result.write(path)
    result.require_passed()
    if result.skipped:
        raise typer.Exit(1)


def _check_form(
    models: list[Path],
    reference: Path | None,
    against: Path | None,
    clips: list[str] | None,
    labelled: Path | None,
) -> None:
    """Refuse what makes no sense together."""
    from pptsn.runtime.base.errors import UsageError

    if reference is not None and against is not None:
        raise UsageError("verify", "compares with either --reference or --against", "name one of them")
    if reference is None and against is None and len(models) < 2:
        cause = "has one MODEL and nothing to compare it with"
        raise UsageError("verify", cause, "name more models, --reference EXPORT or --against MODEL")
    if (reference or against) and len(models) > 1:
        raise UsageError("verify", "takes one MODEL with --reference or --against", "name all models in a row")
    if reference is None and bool(clips) == (labelled is not None):
        raise UsageError("verify", "expected either --clips or --labelled LIST", "name one of them")


def _check_reference_options(
    form: str, clips: list[str] | None, labelled: Path | None, limit: int | None, gates: Gates
) -> None:
    """Refuse options on clips, of which a reference has none."""
    from pptsn.runtime.base.errors import UsageError

    of_clips = (
        ("--clips", clips),
        ("--labelled", labelled),
        ("--limit", limit),
        ("--spare-clips", gates.spare_clips),
    )
    for option, value in of_clips:
        if value:
            raise UsageError(option, f"does not go with {form}, which brings its own pictures", "leave it out")
    if gates.max_drop is not None:
        raise UsageError("--max-drop", "needs to know the right answers", "name a list by --labelled LIST")


def _read_clips(clips: list[str] | None, labelled: Path | None) -> tuple[list[Source], list[int] | None]:
    """Return the sources that the options name, and their labels where there are any."""
    from pptsn.runtime.base.progress import print_note
    from pptsn.runtime.classify.lists import read_any_list, source_of
    from pptsn.runtime.classify.sources import expand_sources

    if labelled is not None:
        samples = read_any_list(labelled, note=print_note)
        return [source_of(sample) for sample in samples], [sample.label for sample in samples]
    return list(expand_sources(clips, note=print_note)) if clips else [], None


def _against_reference(model: Path, export: Path, runs: Runs, gates: Gates) -> Report:
    from pptsn.convert.verify.logits import open_model
    from pptsn.convert.verify.reference import verify_reference
    from pptsn.runtime.base.progress import notes

    with open_model(model, runs) as engine, notes().status("verifying"):
        limits = gates.limits([engine.spec.precision], on_gpu=runs.any_on_gpu(model))
        return verify_reference(engine, export, name=model, limits=limits)


def _by_its_own_reference(model: Path, runs: Runs, gates: Gates) -> Proof:
    from pptsn.convert.verify.alone import prove_file
    from pptsn.runtime.base.progress import notes

    with notes().status("verifying"):
        return prove_file(model, runs, gates)


def show_report(report: Report | Chain | Proof) -> None:
    """Print the figures of a report; on standard error, the clips that were skipped or compared with warnings."""
    from pptsn.cli.clip_warnings import print_warnings
    from pptsn.convert.verify.chain import Chain
    from pptsn.convert.verify.proof import Proof
    from pptsn.convert.verify.table import print_chain, proof_lines, report_line

    if isinstance(report, Chain):
        print_chain(report)
    elif isinstance(report, Proof):
        for line in proof_lines(report):
            say(line)
    else:
        say(report_line(report))
        for remark in report.limits.spared(report.figures, report.drop):
            say(f"note: {report.model}: {remark}")
    for reason in report.skipped:
        say(f"skipped {reason}", err=True)
    if not isinstance(report, Proof):  # which compares no clips
        skipped = len(report.skipped)
        print_warnings(report.warned, total=skipped + _clips_of(report), failed=skipped)


def _clips_of(report: Report | Chain) -> int:
    from pptsn.convert.verify.report import Report

    return report.figures.rows if isinstance(report, Report) else report.clips
