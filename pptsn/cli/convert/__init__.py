"""The commands of `pptsn convert`."""

from __future__ import annotations

import typer

from pptsn.cli.convert.check import check
from pptsn.cli.convert.engine import engine
from pptsn.cli.convert.fp16 import convert_fp16
from pptsn.cli.convert.int8 import convert_int8
from pptsn.cli.convert.onnx import convert_onnx

app = typer.Typer(no_args_is_help=True, help="Convert a Paddle export to the files that devices run.")
app.command("onnx")(convert_onnx)
app.command("fp16")(convert_fp16)
app.command("int8")(convert_int8)
app.command("check")(check)
app.command("engine")(engine)
