"""Measure the targets of a model of one's own; see the package's own words for the call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import OutputOption, RepeatsOption
from tools.own_models.measuring import measure_head, measure_lists, measure_report
from tools.program import publish_as_they_come, run, tell


def measure(clips: Path, weights: Path, model: Path, listed: Path, method: Method) -> Iterator[Result]:
    """Yield what was measured: lists, the classifier alone by them, a report."""
    with tempfile.TemporaryDirectory() as folder:
        my = Path(folder) / "my"
        yield _told(measure_lists(clips, my, method, weights=weights))
        yield _told(measure_head(my / "recipe.yaml", Path(folder) / "run", method))
        yield _told(measure_report(model, listed, Path(folder) / "report", method))


def _told(result: Result) -> Result:
    tell(result.sentence)
    return result


def main(
    clips: Annotated[Path, typer.Option(help="A folder with one folder of clips a class.")],
    weights: Annotated[Path, typer.Option(help="A .pdparams file, for the classifier alone.")],
    model: Annotated[Path, typer.Option(help="An .onnx file to report on.")],
    listed: Annotated[Path, typer.Option("--list", help="Clips of its classes, lines `path label`.")],
    repeats: RepeatsOption = 3,
    output: OutputOption = None,
) -> None:
    """Measure lists against probing, the classifier alone against its features, a report against evaluation."""
    check_outputs(output, inputs=[weights, model, listed])
    method = Method(repeats=repeats, least_s=0, least_iterations=repeats)
    publish_as_they_come(measure(clips, weights, model, listed, method), outputs=output, method=method)


if __name__ == "__main__":
    run(main)
