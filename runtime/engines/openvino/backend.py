"""The backend `openvino`: .onnx files on CPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, UsageError, install_command
from pptsn.runtime.base.options import option, switch, whole
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.base.processor import processor_features
from pptsn.runtime.engines.backend import Backend, Choices, Trial
from pptsn.runtime.engines.device import Device

if TYPE_CHECKING:
    from pptsn.runtime.engines.openvino.engine import OpenVinoEngine

_FOR_CPUS = "make one for CPUs by: pptsn convert int8 --target cpu"
# From how many crops a thread on two streams are taken: a folder is done a few hundredths sooner (docs/log.md),
# which outweighs its end, where one of them may have nothing left to do for the time of a batch.
_STREAMS_PAY_FROM = 1000
_MOST_STREAMS = 1024


@dataclass(frozen=True)
class OpenVinoOptions:
    """How OpenVINO runs a model.

    cache: whether compiled models are kept for the next start.  bf16: whether to multiply in bfloat16.
    streams: how many batches are worked on side by side; None for what suits the amount of work.
    """

    cache: bool = option("0 keeps no compiled model for the next start", default=True, parse=switch)
    bf16: bool = option("1 multiplies in bfloat16, on CPUs with AMX", default=False, parse=switch)
    streams: int | None = option(
        "batches worked on side by side, each by a share of the threads; 2 by itself for many clips, else 1",
        default=None,
        parse=whole(1, _MOST_STREAMS),
    )


class OpenVinoBackend(Backend[OpenVinoOptions]):
    """OpenVINO on the CPU."""

    help = ".onnx files on CPUs, fastest in INT8"
    options = OpenVinoOptions
    packages = ("openvino",)
    requirements = (Requirement("openvino", "classifying faster on a CPU", install_command("openvino")),)

    def open(self, path: Path, choices: Choices, options: OpenVinoOptions) -> OpenVinoEngine:
        """Return the model at `path` on the CPU; see `Backend.open`."""
        if choices.device is not None and choices.device.kind != "cpu":
            raise UsageError("--device", "openvino runs on the CPU alone", "use --device cpu, or another backend")
        if path.suffix.lower() not in self.suffixes:
            cause = f"openvino runs .onnx files, {path} is none"
            raise UsageError("--backend", cause, "use --backend auto, or name the .onnx file")
        if not choices.optimise:
            # It has a switch for that, with which the demo's INT8 files lose 1 % of their answers.
            cause = "openvino does not run graphs as they are written"
            raise UsageError("--no-optimise", cause, "use --backend onnxruntime")
        if options.bf16 and "amx_bf16" not in processor_features():
            cause = "bf16=1 needs a CPU with AMX, which this one has not"
            raise MissingDependencyError("--backend openvino", cause, "leave it out")
        from pptsn.runtime.engines.openvino.compiling import compiled_models
        from pptsn.runtime.engines.openvino.engine import OpenVinoEngine
        from pptsn.runtime.model.file import ModelFile

        file = ModelFile.open(path)
        cache = compiled_models() if options.cache else None
        engine = OpenVinoEngine(
            file,
            threads=choices.threads,
            streams=options.streams or streams_for(choices.crops, threads=choices.threads or available_cores()),
            bf16=options.bf16,
            cache=cache,
        )
        if file.quantized_for == "tensorrt":
            engine.notes += (f"{path} is encoded for TensorRT, not for a CPU; {_FOR_CPUS}",)
        return engine

    def trials(self) -> tuple[Trial, ...]:
        """Return the run of a model of one node on the CPU."""
        return (Trial(Device("cpu"), _run_tiny_model),)


def streams_for(crops: int | None, *, threads: int) -> int:
    """Return how many batches to work on side by side with so many CPU threads.

    crops: about how many are to be inferred; None where nobody knows, as of a stream: there each answer is waited
        for, and one call of all threads gives it soonest.
    An odd number of threads has no two equal shares.
    """
    many = crops is not None and crops >= _STREAMS_PAY_FROM * threads
    return 2 if many and threads % 2 == 0 else 1


def _run_tiny_model() -> None:
    """Add two numbers on the CPU; raises what is wrong."""
    import numpy as np

    from pptsn.runtime.engines.openvino.library import import_openvino

    openvino = import_openvino()
    taken = openvino.opset1.parameter([1], np.float32)
    model = openvino.Model([openvino.opset1.relu(taken)], [taken])
    openvino.Core().compile_model(model, "CPU")([np.zeros(1, np.float32)])
