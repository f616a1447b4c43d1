"""Options that commands share, wherever a model runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.cli.lazy import late
from pptsn.runtime.decoding.decoders import DECODERS_HELP
from pptsn.runtime.engines.registry import backends_help

MODEL_HELP = "The model: an .onnx or .engine file that `pptsn convert` wrote."
DEVICE_HELP = "Where the model runs: auto (a GPU if it works), cpu, cuda, cuda:N, cuda:0,cuda:1 or cuda:all."
BACKEND_HELP = f"What runs the model: auto, {late(backends_help)}."
THREADS_HELP = "CPU threads; all cores that it may use if not given."
TUNING_HELP = (
    "ONNX Runtime on a GPU: fast starts at once; full is faster, after 10 to 20 s of preparation; auto takes full "
    "for runs that are worth it, and says so. Other backends have no such choice."
)
VIEWS_HELP = "Crops of each frame: ten, three or center."

ModelOption = Annotated[str, typer.Option("--model", help=MODEL_HELP)]
SegmentsOption = Annotated[int, typer.Option(help="Frames to look at; the published inference takes 25.")]
ViewsOption = Annotated[str, typer.Option(help=VIEWS_HELP)]
DeviceOption = Annotated[str, typer.Option(help=DEVICE_HELP)]
BackendOption = Annotated[str, typer.Option(help=BACKEND_HELP)]
DecodersOption = Annotated[str, typer.Option("--decoders", help=DECODERS_HELP, metavar="N|auto")]
ThreadsOption = Annotated[int | None, typer.Option(help=THREADS_HELP)]
TuningOption = Annotated[str, typer.Option(help=TUNING_HELP)]
