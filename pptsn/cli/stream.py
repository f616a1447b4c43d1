"""The command `pptsn stream`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.cli.device_options import BACKEND_HELP, DEVICE_HELP, THREADS_HELP, VIEWS_HELP, ModelOption
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sources.registry import sources_help

# Rich would take what stands in brackets for markup.
_KINDS = sources_help().replace("[", r"\[")
_SOURCES_HELP = (
    f"{_KINDS}; a pattern or @LIST (one a line) for several. Options follow a ?, as in rtsp://cam/1?name=door."
)
_OUTPUT_HELP = (
    "Where results go; any number: FILE.jsonl, FILE.csv, - (JSON lines on standard output), https://... "
    "(webhook), mqtt://HOST/PREFIX, FILE-{stream}.mp4 or .ts (annotated video; {stream} is the stream's name)."
)

# A minute: predictions that come later than that help nobody.
_MAX_WAIT_MS = 60_000

_OUTPUTS, _TIME, _EVENTS = "Outputs", "Time", "Events"
_TROUBLE, _ENGINE = "When it gets difficult", "Engine"


def stream(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES_HELP)],
    model: ModelOption,
    output: Annotated[
        list[str] | None, typer.Option("--output", "-o", help=_OUTPUT_HELP, rich_help_panel=_OUTPUTS)
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(help="Web page and /metrics at HOST:PORT, as 127.0.0.1:8080.", rich_help_panel=_OUTPUTS),
    ] = None,
    http_token: Annotated[
        str | None,
        typer.Option(
            envvar="PPTSN_HTTP_TOKEN",
            help="Password of the page; needed where other machines can reach it.",
            rich_help_panel=_OUTPUTS,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, help="Classes to show of each prediction.", rich_help_panel=_OUTPUTS)
    ] = 3,
    window: Annotated[
        float, typer.Option(help="Seconds that a prediction looks back.", rich_help_panel=_TIME)
    ] = 4.0,
    segments: Annotated[int, typer.Option(help="Frames to look at in a window.", rich_help_panel=_TIME)] = 8,
    every: Annotated[
        float | None,
        typer.Option(
            help="Seconds between predictions; if not given, one a frame looked at.", rich_help_panel=_TIME
        ),
    ] = None,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime",
            help="Files at their own pace, rather than as fast as they can be.",
            rich_help_panel=_TIME,
        ),
    ] = False,
    max_gap: Annotated[
        float,
        typer.Option(help="Seconds without a frame after which the window begins anew.", rich_help_panel=_TIME),
    ] = 2.0,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="Report an event from score ON until below OFF: ON:OFF (0.6:0.4), ON, CLASS=ON:OFF; any number.",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Classes to watch: labels or numbers, with commas between.", rich_help_panel=_EVENTS),
    ] = None,
    smoothing: Annotated[
        float,
        typer.Option(
            help="Seconds: time constant of an exponential mean over scores; 0: none.", rich_help_panel=_EVENTS
        ),
    ] = 0.0,
    cool_down: Annotated[
        float, typer.Option(help="Seconds after an event without another of its class.", rich_help_panel=_EVENTS)
    ] = 0.0,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Which frames stay when they come too fast: newest, oldest, or block (all: the source waits). "
            "If not given, newest for live sources, block for files.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None,
    queue: Annotated[int, typer.Option(help="Frames of a stream that may wait.", rich_help_panel=_TROUBLE)] = 8,
    max_staleness: Annotated[
        float, typer.Option(help="Seconds from which a prediction is marked as stale.", rich_help_panel=_TROUBLE)
    ] = 2.0,
    timeout: Annotated[
        float,
        typer.Option(help="Seconds of silence after which a source counts as dead.", rich_help_panel=_TROUBLE),
    ] = 5.0,
    max_retries: Annotated[
        int | None,
        typer.Option(
            help="How often in a row, without a frame, a live source is tried again; for ever if not given.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None,
    max_backoff: Annotated[
        float, typer.Option(help="Seconds between attempts, at most.", rich_help_panel=_TROUBLE)
    ] = 4.0,
    frozen_after: Annotated[
        float,
        typer.Option(
            help="Seconds after which a picture that does not change is reported; 0: never.",
            rich_help_panel=_TROUBLE,
        ),
    ] = 10.0,
    views: Annotated[str, typer.Option(help=VIEWS_HELP, rich_help_panel=_ENGINE)] = "center",
    max_wait_ms: Annotated[
        float, typer.Option(help="Milliseconds that a batch waits for more frames.", rich_help_panel=_ENGINE)
    ] = 5.0,
    at_once: Annotated[
        int, typer.Option(help="Files to read at the same time; the others wait.", rich_help_panel=_ENGINE)
    ] = 8,
    device: Annotated[str, typer.Option(help=DEVICE_HELP, rich_help_panel=_ENGINE)] = "auto",
    backend: Annotated[str, typer.Option(help=BACKEND_HELP, rich_help_panel=_ENGINE)] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help=THREADS_HELP, rich_help_panel=_ENGINE),
    ] = None,
) -> None:
    """Name the action in cameras, streams and files, live, for as long as they run.

    A stream that fails is reported and tried again, while the others go on. Ctrl-C ends in order.

    Exit code: 0, or 1 where a stream was given up.

    Examples:
    pptsn stream 0 --model model.onnx
    pptsn stream rtsp://cam/1 --model model.onnx --http 127.0.0.1:8080
    pptsn stream clips/*.mp4 --model model.onnx -o results.jsonl
    pptsn stream @cameras.txt --model model.onnx --threshold 0.6 -o events.jsonl

    """
    from pptsn.runtime.base.memory import return_freed_memory
    from pptsn.runtime.stream.pipeline.settings import StreamSettings
    from pptsn.runtime.stream.run.live import LiveRequest, run_live

    return_freed_memory()
    settings = StreamSettings(
        window_s=window,
        segments=segments,
        every_s=every,
        views=views,
        realtime=realtime,
        policy=policy,
        queue_frames=queue,
        max_wait_s=_seconds_of(max_wait_ms),
        max_gap_s=max_gap,
        max_staleness_s=max_staleness,
        timeout_s=timeout,
        max_retries=max_retries,
        max_backoff_s=max_backoff,
        frozen_after_s=frozen_after,
        at_once=at_once,
    )
    request = LiveRequest(
        sources=sources,
        model=model,
        outputs=output or [],
        http=http,
        http_token=http_token,
        top=top,
        thresholds=threshold or [],
        classes=classes or [],
        smoothing_s=smoothing,
        cool_down_s=cool_down,
        device=device,
        backend=backend,
        threads=threads,
    )
    raise typer.Exit(run_live(request, settings))


def _seconds_of(max_wait_ms: float) -> float:
    if not 0 <= max_wait_ms <= _MAX_WAIT_MS:  # typer's own range lets nan pass
        raise UsageError("--max-wait-ms", f"expected 0 to {_MAX_WAIT_MS} milliseconds, got {max_wait_ms:g}")
    return max_wait_ms / 1000
