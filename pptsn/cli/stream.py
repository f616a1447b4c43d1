"""The command `pptsn stream`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.cli.device_options import ModelOption
from pptsn.cli.from_settings import from_settings
from pptsn.cli.lazy import late
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.stream.actions.thresholds import EventSettings
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.run.settings import LiveRun, OutputSettings
from pptsn.runtime.stream.sources.registry import sources_help

_SOURCES_HELP = (
    f"{late(sources_help)}; a pattern or @LIST (one a line) for several. "
    "Options follow a ?, as in rtsp://cam/1?name=door."
)


@from_settings
def stream(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES_HELP)],
    model: ModelOption,
    outputs: OutputSettings,
    events: EventSettings,
    settings: StreamSettings,
    runner: EngineSettings,
) -> None:
    """Name the action in cameras, streams and files, live, for as long as they run.

    A stream that fails is reported and tried again, while the others go on. Ctrl-C ends in order.

    Exit code: 0, or 1 where a stream was given up or results were lost.

    Examples:
    pptsn stream 0 --model model.onnx
    pptsn stream rtsp://cam/1 --model model.onnx --http 127.0.0.1:8080
    pptsn stream clips/*.mp4 --model model.onnx -o results.jsonl
    pptsn stream @cameras.txt --model model.onnx --threshold 0.6 -o events.jsonl

    """
    from pptsn.runtime.base.memory import return_freed_memory
    from pptsn.runtime.stream.run.live import run_live

    return_freed_memory()
    run = LiveRun(
        sources=sources,
        model=model,
        runner=runner,
        outputs=outputs,
        events=events,
        settings=settings,
    )
    raise typer.Exit(run_live(run))
