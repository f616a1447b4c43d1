"""The command `pptsn bench live`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.bench.options import (
    ModelOption,
    OutputOption,
)
from pptsn.cli.device_options import VIEWS_HELP
from pptsn.cli.from_settings import from_settings
from pptsn.cli.requirements import require_runner
from pptsn.runtime.engines.settings import EngineSettings

if TYPE_CHECKING:
    from pptsn.benchmarks.live.trial import Trial


@from_settings
def live(
    model: ModelOption,
    runner: EngineSettings,
    source: Annotated[
        str | None,
        typer.Option(
            help="What each stream reads: a file, which runs at its own pace, or a live source of `pptsn stream` "
            "(rtsp://..., 'synthetic:?live=1&fps=30'); if not given, a clip of 640x360 at 30 frames a second."
        ),
    ] = None,
    latency_bound: Annotated[
        float, typer.Option(min=1, help="Milliseconds: most that the 99th percentile of the latency may be.")
    ] = 100.0,
    window: Annotated[
        float | None, typer.Option(help="Seconds that a prediction looks back; else as `pptsn stream` does.")
    ] = None,
    segments: Annotated[
        int | None, typer.Option(help="Frames to look at in a window; else as `pptsn stream` does.")
    ] = None,
    views: Annotated[str | None, typer.Option(help=f"{VIEWS_HELP[:-1]}; else as `pptsn stream` does.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds of a trial; with few streams longer, for samples enough.")
    ] = 6.0,
    most: Annotated[int, typer.Option(min=1, max=1000, help="The most streams to try.")] = 64,
    clips: Annotated[Path, typer.Option(help="Folder where the clip is made, unless it is there.")] = Path(
        "output/bench"
    ),
    output: OutputOption = None,
) -> None:
    """Find the most live streams that the model serves in time.

    Tries ever more streams at once, through all that `pptsn stream` does: decoding, batching across streams, and a
    prediction with each frame looked at. A number of streams holds where the 99th percentile of the latency is
    within the bound, no stream is late with more than a tenth of its predictions, nothing is dropped, and no
    stream falls behind.

    Latency counts from a frame's capture to its prediction. A frame of a file counts as captured when it is due,
    and is decoded before that: its latency leaves decoding out, though decoding takes its share of the cores.

    Example: pptsn bench live --model model.int8.onnx --latency-bound 100 -o live.json
    """
    require_runner(model)
    from pptsn.benchmarks.live.measure import measure_live
    from pptsn.benchmarks.live.source import live_source
    from pptsn.benchmarks.live.trial import LiveLoad, longest_s
    from pptsn.benchmarks.measure.publishing import check_outputs, publish
    from pptsn.cli.bench.options import new_method
    from pptsn.runtime.base.memory import return_freed_memory
    from pptsn.runtime.base.progress import print_note
    from pptsn.runtime.stream.pipeline.settings import StreamSettings

    check_outputs(output, inputs=[model, source])
    return_freed_memory()
    settings = StreamSettings(window_s=window, segments=segments, views=views)
    method = new_method(1, seconds)
    with runner.open(model) as engine:
        for note in engine.notes:
            print_note(note)
        print_note(settings.told(engine.spec))
        settings = settings.for_model(engine.spec)
        least_s = longest_s(settings, seconds=seconds, bound_ms=latency_bound, most=most)
        with live_source(source, clips=clips, least_s=least_s) as opened:
            load = LiveLoad(source=opened, settings=settings, bound_ms=latency_bound, seconds=seconds)
            result = measure_live(engine, model, load, most=most, method=method, tell=_tell)
    top_line = {"streams": result["streams"].value, "latency_p99_ms": result["latency_p99_ms"].value}
    publish([result], outputs=output, method=method, top_line=top_line)


def _tell(trial: Trial) -> None:
    """Say how a trial went, on standard error."""
    from pptsn.runtime.base.progress import notes

    notes().print(str(trial), markup=False)
