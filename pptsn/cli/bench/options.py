"""Options that the commands of `pptsn bench` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.device_options import (
    DeviceOption,
    ModelOption,
    SegmentsOption,
    ThreadsOption,
    ViewsOption,
)

if TYPE_CHECKING:
    from pptsn.benchmarks.measure.method import Method

__all__ = [
    "DeviceOption",
    "LeastOption",
    "ModelOption",
    "ModelsOption",
    "OutputOption",
    "RepeatsOption",
    "SegmentsOption",
    "ThreadsOption",
    "ViewsOption",
    "new_method",
]

ModelsOption = Annotated[
    list[str], typer.Option("--model", help="A model, an .onnx or .engine file; repeatable, the base first.")
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", help="Write the report: NAME.json, NAME.md or NAME.html; repeatable."),
]
RepeatsOption = Annotated[int, typer.Option(min=1, help="How often each case is measured; figures are medians.")]
LeastOption = Annotated[
    float, typer.Option("--seconds", min=0.01, help="Seconds that all repeats of a case take at least.")
]


def new_method(repeats: int, least_s: float) -> Method:
    """Return how to measure, as the options say."""
    from pptsn.benchmarks.measure.method import Method

    return Method(repeats=repeats, least_s=least_s)
