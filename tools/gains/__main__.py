"""`python -m tools.gains CLIP --model M`: what each part of the toolkit gains over the plain way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pptsn.benchmarks.measure.engines import engine_faults
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import (
    LeastOption,
    OutputOption,
    RepeatsOption,
    SegmentsOption,
    ThreadsOption,
    ViewsOption,
    new_method,
)
from tools.gains.ladder import measure_gains
from tools.program import publish_as_they_come, run, tell


def gains(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="A video file of some seconds.")],
    model: Annotated[str, typer.Option("--model", help="The model in FP32, an .onnx file.")],
    int8: Annotated[str | None, typer.Option(help="The same model in INT8 for CPUs, an .onnx file.")] = None,
    stream: Annotated[str | None, typer.Option(help="The clip to watch as a stream, if not CLIP.")] = None,
    segments: SegmentsOption = 25,
    views: ViewsOption = "ten",
    windows: Annotated[
        int, typer.Option(min=1, help="Windows that the plain way recomputes at a time; each costs a clip's time.")
    ] = 1,
    threads: ThreadsOption = None,
    repeats: RepeatsOption = 5,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Measure what each part of this toolkit gains over the plain way to run PP-TSN, on the CPU.

    The plain way decodes the whole clip, makes float crops on the CPU and
    runs all of them in one batch. One thing after the other is turned on:
    seeking decode, uint8 crops, small batches, overlap, INT8. Then come
    preprocessing alone, and windows on a stream, which the plain way
    computes anew for each prediction.

    Each figure needs ten runs: with ResNet-50, 25 segments and ten crops
    that takes ten minutes on two cores; fewer segments take less.

    Example: python -m tools.gains clip.mp4 --model m.onnx --int8 m.int8.onnx
    """
    check_outputs(output, inputs=[clip, model, int8, stream])
    method = new_method(repeats, seconds)
    results = measure_gains(
        Path(model),
        Path(int8) if int8 else None,
        Path(clip),
        long_clip=Path(stream) if stream else None,
        segments=segments,
        views=views,
        predictions=windows,
        threads=threads,
        method=method,
        progress=tell,
    )
    publish_as_they_come(_checked(results, model), outputs=output, method=method, top_line=_gain_of_a_clip)


def _checked(results: Iterable[Result], model: str) -> Iterator[Result]:
    """Yield `results`; what the engine raises meanwhile is an error about its model."""
    with engine_faults(model):
        yield from results


def _gain_of_a_clip(results: Sequence[Result]) -> str:
    on_clips = [result for result in results if result.settings["part"] == "clip"]
    return on_clips[-1].sentence if on_clips else ""


if __name__ == "__main__":
    run(gains)
