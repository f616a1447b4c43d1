"""PyTorch on a device, to know what it can do: `python -m tools.device.try_torch -o torch.json`.

ResNet-50 of 400 classes, with weights as before training, its input on the device: in FP32, and in FP16 with
channels last, eagerly, as a CUDA graph, and compiled.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.publishing import check_outputs
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.options import LeastOption, OutputOption, RepeatsOption
from pptsn.runtime.base.errors import MissingDependencyError
from tools.device.trial import Settings, attempted, numbers_of, timed, told
from tools.program import publish_as_they_come, run

_CLASSES, _CROP_SIZE = 400, 224


def try_torch(
    views: Annotated[str, typer.Option(help="Views a call, divided by commas.")] = "250,10",
    device: Annotated[str, typer.Option(help="cuda, cuda:N or cpu; on a CPU there is no FP16.")] = "cuda",
    repeats: RepeatsOption = 3,
    seconds: LeastOption = 1.0,
    output: OutputOption = None,
) -> None:
    """Time the forward pass of ResNet-50 by PyTorch."""
    check_outputs(output)
    torch, torchvision = _import_torch()
    method = Method(repeats=repeats, least_s=seconds)
    results = _results(torch, torchvision, device, numbers_of(views), method)
    settings = {"model": "resnet50", "what": f"torch {torch.__version__}", "device": device}
    publish_as_they_come(told(attempted(settings, results)), outputs=output, method=method)


def _import_torch() -> tuple[Any, Any]:
    try:
        import torch
        import torchvision
    except ImportError as error:
        cause = f"the trial runs it ({error})"
        raise MissingDependencyError("torch", cause, "run: pip install torch torchvision") from error
    return torch, torchvision


def _results(torch: Any, torchvision: Any, device: str, sizes: list[int], method: Method) -> Iterator[Result]:
    torch.backends.cudnn.benchmark = True
    resnet = torchvision.models.resnet50(num_classes=_CLASSES).eval().to(device)
    for size in sizes:
        views = torch.rand(size, 3, _CROP_SIZE, _CROP_SIZE, device=device)
        ways = {"fp32": partial(_eager, resnet, views)}
        if device != "cpu":
            last = torch.channels_last
            half = copy.deepcopy(resnet).half().to(memory_format=last)
            narrow = views.half().contiguous(memory_format=last)
            ways |= {
                "fp16": partial(_eager, half, narrow),
                "fp16, graph": partial(_graph, torch, half, narrow),
                "fp16, compiled": partial(_compiled, torch, half, narrow),
            }
        for name, new_run in ways.items():
            settings: Settings = {"model": "resnet50", "what": f"torch, {name}", "device": device, "views": size}
            yield from attempted(settings, _timed(torch, device, settings, new_run, method, size))


def _timed(
    torch: Any,
    device: str,
    settings: Settings,
    new_run: Callable[[], Callable[[], object]],
    method: Method,
    views: int,
) -> Iterator[Result]:
    with torch.inference_mode():
        call = new_run()

        def work() -> None:
            call()
            if device != "cpu":
                torch.cuda.synchronize()

        yield timed(settings, work, method, views=views)


def _eager(network: Any, views: Any) -> Callable[[], object]:
    return lambda: network(views)


def _compiled(torch: Any, network: Any, views: Any) -> Callable[[], object]:
    return _eager(torch.compile(network), views)


def _graph(torch: Any, network: Any, views: Any) -> Callable[[], object]:
    """Return the replay of the network's work, captured after it has warmed up on a stream of its own."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            network(views)
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph):
        network(views)
    replay: Callable[[], object] = graph.replay
    return replay


if __name__ == "__main__":
    run(try_torch)
