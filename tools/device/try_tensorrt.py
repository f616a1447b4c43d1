"""TensorRT on a device: `python -m tools.device.try_tensorrt --model m.fp16.onnx --reference ref.npz -o trt.json`.

By the TensorRT that is installed.  A plan is built as `pptsn convert engine` builds it, by TensorRT 8 as
`tools.device.tensorrt_8` does.  reference: what `tools.device.make_reference` wrote, for how right it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import LeastOption, OutputOption, RepeatsOption
from pptsn.convert.engine.conversion import convert_to_engine
from pptsn.convert.engine.options import BuildOptions
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.engines.base import Engine, Logits
from pptsn.runtime.engines.tensorrt.api import TensorRT, import_tensorrt
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from tools.device import tensorrt_8
from tools.device.trial import (
    SIZES,
    attempted,
    device_result,
    engine_settings,
    error_of,
    numbers_of,
    timed_calls,
    timed_clip,
    told,
)
from tools.program import publish_as_they_come, run


@dataclass(frozen=True)
class Reference:
    """Crops, and what the CPU says of them by one model."""

    crops: Frame
    logits: Logits

    @classmethod
    def read(cls, path: Path, model: Path) -> Reference:
        """Return what `path` has for `model`, by its file's name; raises InputError for another model's."""
        with np.load(path) as known:
            if model.name not in known:
                names = ", ".join(sorted(set(known) - {"crops"}))
                remedy = "give the model the name that it had then"
                raise InputError(path, f"has no logits of {model.name}, but of {names}", remedy)
            return cls(known["crops"], known[model.name])


def try_tensorrt(
    model: Annotated[Path, typer.Option(help="The model, an .onnx file.")],
    plan: Annotated[
        Path | None, typer.Option(help="The plan, built if missing; MODEL.engine if not given.")
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="Crops and logits of make_reference.")] = None,
    clip: Annotated[Path | None, typer.Option(help="A clip, for the time from file to answer.")] = None,
    sizes: Annotated[str, typer.Option(help="Crops a call, divided by commas.")] = SIZES,
    repeats: RepeatsOption = 3,
    seconds: LeastOption = 1.0,
    output: OutputOption = None,
) -> None:
    """Try TensorRT on a device: a plan built and run by the runtime, with CUDA graphs and without."""
    check_outputs(output, inputs=[model, clip, reference])
    library = import_tensorrt("tensorrt")
    path, counts = plan or model.with_suffix(".engine"), numbers_of(sizes)
    method = Method(repeats=repeats, least_s=seconds)
    known = None if reference is None else Reference.read(reference, model)
    results = _results(library, model, path, counts, known, clip, method)
    settings = {"model": model.name, "what": f"tensorrt {library.version_text}"}
    publish_as_they_come(told(attempted(settings, results)), outputs=output, method=method)


def _results(
    library: TensorRT,
    model: Path,
    plan: Path,
    sizes: list[int],
    reference: Reference | None,
    clip: Path | None,
    method: Method,
) -> Iterator[Result]:
    is_old = library.version[0] < 10
    profile = (1, max(sizes), max(sizes))
    if not plan.exists():
        started_s = time.monotonic()
        if is_old:
            tensorrt_8.build(library, model, plan, profile)
        else:
            convert_to_engine(model, plan, BuildOptions(builder="tensorrt", batch=profile))
        seconds = time.monotonic() - started_s
        yield device_result({"model": model.name, "what": "build"}, seconds=seconds, version=library.version_text)
    for graphs in (False, True):
        with (
            tensorrt_8.a_profile_for_each_context() if is_old else nullcontext(),
            TensorRtEngine(ModelFile.open_plan(plan), graphs=graphs) as engine,
        ):
            yield from timed_calls(engine, plan, sizes, method)
            if reference is not None:
                yield from _errors(engine, plan, reference)
            if clip is not None:
                yield timed_clip(engine, plan, clip, method)


def _errors(engine: Engine, plan: Path, reference: Reference) -> Iterator[Result]:
    """Yield how far the plan is from the CPU, and pieces of a batch from the whole."""
    settings, crops = partial(engine_settings, engine, plan), reference.crops
    whole = engine.infer(crops)
    yield error_of(settings(what="against the CPU"), whole, reference.logits)
    pieces = np.concatenate([engine.infer(crops[index : index + 3]) for index in range(0, len(crops), 3)])
    yield error_of(settings(what="in pieces, against the whole"), pieces, whole)


if __name__ == "__main__":
    run(try_tensorrt)
