"""The command `python -m tools.gains`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pptsn.cli.bench.options import (
    LeastOption,
    OutputOption,
    RepeatsOption,
    SegmentsOption,
    ThreadsOption,
    ViewsOption,
    new_method,
)

if TYPE_CHECKING:
    from pptsn.benchmarks.measure.method import Method
    from pptsn.benchmarks.measure.results import Result


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
    from pathlib import Path

    from pptsn.benchmarks.measure.publishing import check_outputs

    check_outputs(output, inputs=[clip, model, int8, stream])
    method = new_method(repeats, seconds)
    results, interrupted = _measured(
        method,
        fp32_model=Path(model),
        int8_model=Path(int8) if int8 else None,
        clip=Path(clip),
        long_clip=Path(stream) if stream else None,
        segments=segments,
        views=views,
        predictions=windows,
        threads=threads,
    )
    if results:
        _publish(results, output, method)
    if interrupted:
        raise typer.Exit(130)
    if any(result.error for result in results):
        raise typer.Exit(1)


def _measured(method: Method, **choices: Any) -> tuple[list[Result], bool]:
    """Return what was measured, and whether the user stopped it: the parts that were finished are kept."""
    from pptsn.benchmarks.measure.engine_faults import engine_faults
    from pptsn.runtime.base.progress import notes
    from tools.gains.ladder import measure_gains

    def show(line: str) -> None:
        notes().print(f"pptsn: {line}", markup=False)

    results: list[Result] = []
    try:
        with engine_faults(choices["fp32_model"]):
            measure_gains(**choices, method=method, progress=show, results=results)
    except KeyboardInterrupt:
        notes().print("pptsn: stopped; the parts that were measured are kept", style="red")
        return results, True
    return results, False


def _publish(results: list[Result], outputs: list[str] | None, method: Method) -> None:
    from pptsn.benchmarks.measure.publishing import publish

    on_clips = [result for result in results if result.settings["part"] == "clip"]
    publish(results, outputs=outputs, method=method, top_line=on_clips[-1].sentence if on_clips else "")
