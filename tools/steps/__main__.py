"""Measure the targets of training, and write the report; see the package's own words for the call."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
from tools.steps.loading import LOADER, measure_loader
from tools.steps.ranks import RANKS, measure_ranks
from tools.steps.stepping import STEP, measure_step

_SEGMENTS = 3


def measure(
    clips: list[Path], method: Method, *, workers: int, loaded: int, depth: int, steps: int, only: list[str] | None
) -> Iterator[Result]:
    """Yield what was measured: the loader, a step, then two ranks; of these those whose name has a word of `only`.

    loaded: clips that are loaded each time; `clips` come again until there are so many.  steps: of an epoch.
    """
    samples = [Sample(str(clip), 0) for clip in islice(cycle(clips), loaded)]
    settings = ClipSettings(num_seg=_SEGMENTS)
    step_clips = list(islice(cycle(clips), 4 * steps))
    network = {"depth": depth, "segments": _SEGMENTS}
    measurements = {
        LOADER: partial(measure_loader, samples, settings, method, workers=workers, batch_size=8),
        STEP: partial(measure_step, step_clips, method, **network, workers=workers, batch_size=4),
        RANKS: partial(measure_ranks, clips, method, **network, steps=steps, batch_size=32),
    }
    for target, measured in measurements.items():
        if not only or any(word in target.name for word in only):
            result = measured()
            tell(result.sentence)
            yield result


def training(
    clips: Annotated[str, typer.Option(help="A folder with clips to train on.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes that load clips.")] = 2,
    loaded: Annotated[int, typer.Option(min=1, help="Clips that are loaded each time.")] = 96,
    depth: Annotated[int, typer.Option(help="Of the ResNet whose step is measured.")] = 50,
    steps: Annotated[int, typer.Option(min=1, help="Steps of an epoch.")] = 4,
    only: Annotated[list[str] | None, typer.Option(help="Figures whose name has this; repeatable.")] = None,
    repeats: RepeatsOption = 5,
    output: OutputOption = None,
) -> None:
    """Measure how fast clips are loaded for training, a step beside its arithmetic, and two ranks beside one."""
    check_outputs(output, inputs=[])
    found = [Path(name) for name in expand_sources([clips]) if isinstance(name, str)]
    if not found:
        raise UsageError("--clips", "holds no clip", "name another folder")
    method = Method(repeats=repeats, least_s=0, least_iterations=repeats)
    results = measure(found, method, workers=workers, loaded=loaded, depth=depth, steps=steps, only=only)
    publish_as_they_come(results, outputs=output, method=method)


if __name__ == "__main__":
    run(training)
