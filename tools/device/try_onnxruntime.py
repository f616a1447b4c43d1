"""ONNX Runtime on a device: `python -m tools.device.try_onnxruntime --model m.fp16.onnx --clip c.mp4 -o ort.json`.

calls      the time of a call for several numbers of crops, of two shapes in turn, and the error against the CPU
providers  CUDA's provider with other options, the data on the device: what layout, fusing and graphs are worth
clip       file to answer, for several sizes of batches; a folder of clips, for several numbers of decoders
targets    those of `tools.targets.gpu`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import LeastOption, OutputOption, RepeatsOption
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.sources import expand_sources
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.device import Device
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.model.file import ModelFile
from tools.device.trial import (
    SIZES,
    Settings,
    attempted,
    engine_settings,
    error_of,
    numbers_of,
    timed,
    timed_calls,
    timed_change_of_shape,
    timed_clip,
    timed_folder,
    told,
)
from tools.program import publish_as_they_come, run
from tools.targets.gpu import DeviceNetwork, measure_gpu_clip, measure_gpu_offline

# Options of CUDA's provider beside ours, by what they are for.
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "as we set it": {},
    "exhaustive": {"cudnn_conv_algo_search": "EXHAUSTIVE"},
    "channels first": {"prefer_nhwc": "0"},
    "fused": {"fuse_conv_bias": "1"},
    "graph": {"enable_cuda_graph": "1"},
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried, as the options of the command have it."""

    model: Path
    device: str
    clip: Path | None
    folder: str | None
    sizes: list[int]
    decoders: list[int]
    tuning: str
    graphs: bool
    method: Method

    def open(self, device: str | None = None) -> Engine:
        """Return the model as an open engine of ONNX Runtime."""
        backend = f"onnxruntime?graphs={int(self.graphs)}"
        return open_engine(self.model, backend=backend, device=device or self.device, tuning=self.tuning)


def calls(trial: Trial) -> Iterator[Result]:
    """Yield the time of calls, and how far the answers are from the CPU's."""
    with trial.open() as engine, trial.open("cpu") as cpu:
        yield from timed_calls(engine, trial.model, trial.sizes, trial.method)
        yield timed_change_of_shape(engine, trial.model, max(trial.sizes), trial.method)
        crops = drawn_crops(8, engine.spec.crop_size)
        settings = engine_settings(engine, trial.model, what="against the CPU")
        yield error_of(settings, engine.infer(crops), cpu.infer(crops))


def providers(trial: Trial) -> Iterator[Result]:
    """Yield the time of a call whose data lies on the device, with each of VARIANTS; on a CPU there is but one."""
    spec = ModelFile.open(trial.model).spec
    on_gpu = Device.parse(trial.device).kind == "cuda"
    pictures = drawn_crops(8, spec.crop_size)
    for name in VARIANTS if on_gpu else ["as we set it"]:
        for size in (max(trial.sizes), min(trial.sizes)):
            what: Settings = {
                "model": trial.model.name,
                "device": trial.device,
                "what": f"options: {name}",
                "crops": size,
            }
            yield from attempted(what, _with_options(trial, what, VARIANTS[name], pictures, size))


def _with_options(
    trial: Trial, settings: Settings, options: Mapping[str, str], pictures: np.ndarray, size: int
) -> Iterator[Result]:
    spec = ModelFile.open(trial.model).spec
    crops = np.resize(pictures, (size, *pictures.shape[1:]))
    with DeviceNetwork(
        trial.model, crops, device=trial.device, precision=spec.precision, options=options
    ) as network:
        views = size * (2 if spec.mirror else 1)
        yield timed(settings, network.run, trial.method, views=views)


def clip(trial: Trial) -> Iterator[Result]:
    """Yield the time from file to answer, and the clips a second of a folder."""
    with trial.open() as engine:
        if trial.clip is not None:
            for size in trial.sizes:
                yield timed_clip(engine, trial.model, trial.clip, trial.method, batch_size=size)
        if trial.folder is not None:
            clips = [Path(source) for source in expand_sources([trial.folder]) if isinstance(source, str)]
            for decoders in trial.decoders:
                yield from timed_folder(engine, trial.model, clips, trial.method, decoders=decoders)


def targets(trial: Trial) -> Iterator[Result]:
    """Yield the targets of a GPU."""
    if trial.clip is not None:
        yield measure_gpu_clip(trial.model, trial.clip, trial.method, device=trial.device)
    yield measure_gpu_offline(trial.model, trial.method, device=trial.device)


STEPS: dict[str, Callable[[Trial], Iterator[Result]]] = {
    "calls": calls,
    "providers": providers,
    "clip": clip,
    "targets": targets,
}


def try_onnxruntime(
    model: Annotated[Path, typer.Option(help="The model, an .onnx file.")],
    device: Annotated[str, typer.Option(help="cuda, cuda:N or cpu.")] = "cuda",
    clip: Annotated[Path | None, typer.Option(help="A clip, for the time from file to answer.")] = None,
    folder: Annotated[str | None, typer.Option(help="Clips, for clips a second.")] = None,
    sizes: Annotated[str, typer.Option(help="Crops a call, divided by commas.")] = SIZES,
    decoders: Annotated[str, typer.Option(help="Processes that decode the folder, divided by commas.")] = "0",
    tuning: Annotated[str, typer.Option(help="Of the engine: fast or full.")] = "fast",
    graphs: Annotated[bool, typer.Option("--graphs", help="Start one frame's work by a CUDA graph.")] = False,
    steps: Annotated[str, typer.Option(help=f"Of {', '.join(STEPS)}; divided by commas.")] = ",".join(STEPS),
    repeats: RepeatsOption = 3,
    seconds: LeastOption = 1.0,
    output: OutputOption = None,
) -> None:
    """Try ONNX Runtime on a device: how right it is, how fast, and what its options are worth."""
    check_outputs(output, inputs=[model, clip])
    names = steps.split(",")
    for name in names:
        if name not in STEPS:
            raise UsageError("--steps", f"there is no step {name!r}", f"choose of {', '.join(STEPS)}")
    method = Method(repeats=repeats, least_s=seconds)
    trial = Trial(
        model=model,
        device=device,
        clip=clip,
        folder=folder,
        sizes=numbers_of(sizes),
        decoders=numbers_of(decoders),
        tuning=tuning,
        graphs=graphs,
        method=method,
    )
    results = (
        result
        for name in names
        for result in attempted({"model": model.name, "device": device, "what": name}, STEPS[name](trial))
    )
    publish_as_they_come(told(results), outputs=output, method=method)


if __name__ == "__main__":
    run(try_onnxruntime)
