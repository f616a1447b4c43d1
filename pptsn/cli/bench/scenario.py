"""The command `pptsn bench scenario`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.cli.bench.options import (
    LeastOption,
    ModelOption,
    OutputOption,
    RepeatsOption,
    SegmentsOption,
    ViewsOption,
    new_method,
)
from pptsn.cli.from_settings import from_settings
from pptsn.runtime.engines.settings import EngineSettings


@from_settings
def scenario(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="single-stream, multi-stream, server, offline, or all of them.")
    ],
    model: ModelOption,
    runner: EngineSettings,
    driver: Annotated[
        str,
        typer.Option(
            help="Who sends the queries: own, loadgen (MLPerf's), both in turn, "
            "or auto: loadgen where it is installed, else own."
        ),
    ] = "auto",
    views: ViewsOption = "ten",
    segments: SegmentsOption = 25,
    latency_bound: Annotated[
        float, typer.Option(min=0.001, help="Server: milliseconds within which 99 of 100 frames are answered.")
    ] = 100.0,
    batch: Annotated[int | None, typer.Option(min=1, help="The most crops a call, if not the engine's.")] = None,
    clip: Annotated[str | None, typer.Option(help="Take the frames of this video, not drawn pictures.")] = None,
    repeats: RepeatsOption = 5,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Measure a model by MLPerf's inference scenarios.

    A sample is one frame with all its crops, already in memory.

    single-stream: one frame after the other; the p90 latency.

    multi-stream: eight frames at a time, one query after the other; p99.

    server: frames that arrive at random; the highest rate within the bound.

    offline: all frames at once; the throughput.

    Example: pptsn bench scenario all --model model.onnx --driver both -o scenarios.html
    """
    from pathlib import Path

    from pptsn.benchmarks.measure.publishing import check_outputs, end, gathered, kept_in, publish
    from pptsn.benchmarks.scenarios.definitions import SCENARIOS
    from pptsn.benchmarks.scenarios.measuring import Case, new_drivers, run_scenarios
    from pptsn.benchmarks.scenarios.system import clip_samples, drawn_samples
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.stopping import say_stopped
    from pptsn.runtime.frames.sampling import check_segments

    if name not in (*SCENARIOS, "all"):
        raise UsageError("NAME", f"unknown scenario {name!r}", f"choose one of {', '.join(SCENARIOS)}, all")
    check_outputs(output, inputs=[model, clip])
    check_segments(segments)
    new_drivers(driver)  # so that a missing one is told before the model is loaded
    method = new_method(repeats, seconds)
    with runner.open(model) as engine:
        case = Case(
            engine=engine,
            library=clip_samples(clip, engine, views, segments=segments)
            if clip
            else drawn_samples(engine.spec, views),
            method=method,
            model=Path(model).name,
            batch=batch,
            segments=segments,
            bound_ms=latency_bound,
        )
        results, ending = gathered(
            run_scenarios(case, SCENARIOS if name == "all" else [name], driver=driver, progress=_tell),
            keep=kept_in(output, method),
        )
    if isinstance(ending, KeyboardInterrupt):
        say_stopped("the scenarios that were measured are kept")
    sentences = " ".join(result.sentence for result in results if result.sentence)
    publish(results, outputs=output, method=method, top_line=sentences)
    end(results, ending)


def _tell(line: str) -> None:
    from pptsn.runtime.base.progress import notes

    notes().print(f"pptsn: {line}", markup=False)
