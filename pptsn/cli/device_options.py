"""Options that commands share, wherever a model runs."""

from __future__ import annotations

from typing import Annotated

import typer

from pptsn.runtime.decoding.decoders import DECODERS_HELP
from pptsn.runtime.engines.settings import DEVICE_HELP, THREADS_HELP

MODEL_HELP = "The model: an .onnx or .engine file that `pptsn convert` wrote."
VIEWS_HELP = "Crops of each frame: ten, three or center."

ModelOption = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP)]
SegmentsOption = Annotated[int, typer.Option(help="Frames to look at; the published inference takes 25.")]
ViewsOption = Annotated[str, typer.Option(help=VIEWS_HELP)]
DeviceOption = Annotated[str, typer.Option(help=DEVICE_HELP)]
DecodersOption = Annotated[str, typer.Option("--decoders", help=DECODERS_HELP, metavar="N|auto")]
ThreadsOption = Annotated[int | None, typer.Option(help=THREADS_HELP)]
