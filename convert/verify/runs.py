"""How models are run to be compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.decoding.decoders import Decoders, check_decoders, decoders_option
from pptsn.runtime.model.manifest import PLAN_SUFFIX
from pptsn.runtime.model.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Runs:
    """How models are run.

    segments: frames a clip; views: a name in VIEW_PLANS; sampling: one in SAMPLING_RULES.  None leaves each to the
    first model.
    device: cpu, cuda or cuda:N; None is `cuda` for an .engine and `cpu` for others.
    backend: as `pptsn.runtime.engines.open_engine` takes it.
    optimise: False runs ONNX graphs as they are written, without ONNX Runtime's fusions.
    decoders: processes that decode, see `pptsn.runtime.decoding.decoders`.
    """

    segments: int | None = option(
        "Frames to look at of each clip; else as the first MODEL says.", default=None, least=1
    )
    views: str | None = option("Crops of each frame: ten, three or center; else the first MODEL's.", default=None)
    sampling: str | None = option("Which frames: centre or linspace; else the first MODEL's.", default=None)
    device: str | None = option(
        "cpu, cuda or cuda:N; if not given, cuda for an .engine, else cpu.  Paddle runs on the CPU.", default=None
    )
    backend: str = option("What runs the models, as in `pptsn classify`.", default="auto")
    optimise: bool = option(
        "Run ONNX graphs as deployed, or as written: without ONNX Runtime's fusions.",
        "--optimise/--no-optimise",
        default=True,
    )
    decoders: Decoders = decoders_option()

    def __post_init__(self) -> None:
        check_ranges(self)
        check_decoders(self.decoders)

    def seen_as_by(self, spec: ModelSpec) -> Runs:
        """Return the same with what is left to the first model, which is that of `spec`."""
        seen = spec.protocol.but(segments=self.segments, views=self.views, sampling=self.sampling)
        return replace(self, segments=seen.segments, views=seen.views, sampling=seen.sampling)

    def device_of(self, model: str | Path) -> str:
        """Return where `model` runs; an export folder, by Paddle, always on the CPU."""
        if is_export(model):
            return "cpu"
        return self.device or ("cuda" if is_plan(model) else "cpu")

    def any_on_gpu(self, *models: str | Path) -> bool:
        """Whether one of `models` runs on a GPU."""
        return any(self.device_of(model) != "cpu" for model in models)


def is_export(model: str | Path) -> bool:
    """Whether `model` is a folder, which can only be an export."""
    return Path(model).is_dir()


def is_plan(model: str | Path) -> bool:
    """Whether `model` is named as a TensorRT plan is: .engine, in capitals or not."""
    return Path(model).suffix.lower() == PLAN_SUFFIX
