"""Measure the targets of training, and write the report; see the package's own words for the call."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import OutputOption, RepeatsOption
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.classify.sources import expand_sources
from pptsn.training.data.dataset import ClipSettings
from tools.program import publish_as_they_come, run, tell
from tools.steps.loading import measure_loader
from tools.steps.stepping import measure_step

_SEGMENTS = 3


def measure(
    clips: list[Path], method: Method, *, workers: int, loaded: int, depth: int, steps: int
) -> Iterator[Result]:
    """Yield what was measured: the loader, then a step.

    loaded: clips that are loaded each time; `clips` come again until there are so many.  steps: of an epoch.
    """
    samples = [Sample(str(clip), 0) for clip in islice(cycle(clips), loaded)]
    settings = ClipSettings(num_seg=_SEGMENTS)
    step_clips = list(islice(cycle(clips), 4 * steps))
    yield _told(measure_loader(samples, settings, method, workers=workers, batch_size=8))
    yield _told(measure_step(step_clips, method, depth=depth, batch_size=4, segments=_SEGMENTS, workers=workers))


def _told(result: Result) -> Result:
    tell(result.sentence)
    return result


def training(
    clips: Annotated[str, typer.Option(help="A folder with clips to train on.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes that load clips.")] = 2,
    loaded: Annotated[int, typer.Option(min=1, help="Clips that are loaded each time.")] = 96,
    depth: Annotated[int, typer.Option(help="Of the ResNet whose step is measured.")] = 50,
    steps: Annotated[int, typer.Option(min=1, help="Steps of an epoch.")] = 4,
    repeats: RepeatsOption = 5,
    output: OutputOption = None,
) -> None:
    """Measure how fast clips are loaded for training, and a step beside its arithmetic."""
    check_outputs(output, inputs=[])
    found = [Path(name) for name in expand_sources([clips]) if isinstance(name, str)]
    if not found:
        raise UsageError("--clips", "holds no clip", "name another folder")
    method = Method(repeats=repeats, least_s=0, least_iterations=repeats)
    results = measure(found, method, workers=workers, loaded=loaded, depth=depth, steps=steps)
    publish_as_they_come(results, outputs=output, method=method)


if __name__ == "__main__":
    run(training)
