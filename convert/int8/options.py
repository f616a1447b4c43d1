"""How to quantize, as the user asks for it: one way, or several to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.convert.graph import NETWORK_PREFIX
from pptsn.convert.int8.histogram import METHODS
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.decoding.decoders import Decoders, check_decoders, decoders_option

if TYPE_CHECKING:  # reading options takes no ONNX
    from pptsn.convert.graph.network import Network

# Of each target, the one that fuses most comes last.
PLACEMENTS = {"tensorrt": ("convolutions", "residual"), "cpu": ("everything",)}
# Single crops of single frames are harder than clips, which average 50 of them and are held to 98 %.
FRAME_AGREEMENT = 0.9
DEFAULT_FRAMES = 256
_SKIP_LAYERS = "--skip-layers"


@dataclass(frozen=True)
class Recipe:
    """One way to quantize: a calibration method, a placement, and the convolutions left out of it."""

    target: str
    method: str
    placement: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SkipLayers:
    """Which convolutions stay in floating point.

    names: by their names in the network.  worst: or how many of the most sensitive ones.
    """

    names: tuple[str, ...] = ()
    worst: int = 0

    @classmethod
    def parse(cls, text: str) -> SkipLayers:
        """Read `auto:K` or `NAME,NAME`, names with or without the prefix that they have in the file.

        Raises UsageError for anything else.
        """
        if text.startswith("auto"):
            count = text.removeprefix("auto").removeprefix(":")
            if not (count.isascii() and count.isdecimal() and int(count[:9]) > 0):
                raise UsageError(_SKIP_LAYERS, f"{text!r} names no number of layers", "as in auto:5")
            return cls(worst=int(count[:9]))
        names = [name.strip().removeprefix(NETWORK_PREFIX) for name in text.split(",")]
        if not any(names):
            raise UsageError(_SKIP_LAYERS, f"{text!r} names no layer", "write NAME,NAME, or auto:5")
        return cls(names=tuple(dict.fromkeys(name for name in names if name)))

    def check(self, network: Network) -> None:
        """Raise UsageError where a name is no convolution of `network`, or none would be left."""
        convolutions = list(network.convolutions)
        unknown = [name for name in self.names if name not in convolutions]
        if unknown:
            cause = f"the model has no convolution {unknown[0]!r}"
            raise UsageError(_SKIP_LAYERS, cause, f"its names are {convolutions[0]} to {convolutions[-1]}")
        if max(self.worst, len(self.names)) >= len(convolutions):
            raise UsageError(_SKIP_LAYERS, f"leaves none of {len(convolutions)} convolutions", "skip fewer")


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """How to quantize.

    target: `tensorrt` (int8 activations, the rest FP16) or `cpu` (uint8 activations, for ONNX Runtime).
    method: a name in METHODS, or `auto`, which tries them all and keeps the one of the smallest error.
    placement: a name in PLACEMENTS[target], or `auto`, which tries those too; None for the last.
    skip: convolutions that stay in floating point.
    sensitivity: whether to measure each layer's own error.
    frames: how many to calibrate on.  decoders: processes that decode them, see `pptsn.runtime.decoding.decoders`.
    min_agreement: the smallest share (0..1) of held-out frames with the same leading class that passes.
    compensate: whether weights are rounded such that their errors cancel (`pptsn.convert.graph.compensation`).
    scales_of: an INT8 file that a training rounded like: its method, placement, skipped layers and scales are
        taken, and weights are rounded to the nearest, as in training.
    cache: whether observed ranges are kept for the next time.
    """

    target: str = option("What will run it: tensorrt, or cpu (ONNX Runtime).")
    method: str = option(
        "min-max, percentile (99.99), percentile-99.9, percentile-99, entropy, mse; or auto: tries all.",
        default="auto",
    )
    placement: str | None = option(
        "For tensorrt: residual (the default: shortcuts too, so that additions fuse), convolutions; or auto, "
        "which takes the one of the smaller error.",
        default=None,
    )
    skip: SkipLayers = option(
        "Convolutions that stay in floating point: NAME,NAME or auto:K, the K most sensitive.",
        _SKIP_LAYERS,
        default=SkipLayers(),
        read=SkipLayers.parse,
    )
    sensitivity: bool = option(
        "Measure the error of each layer quantized alone.", "--sensitivity/--no-sensitivity", default=False
    )
    frames: int = option("Frames to calibrate on.", default=DEFAULT_FRAMES, least=24, most=100_000)
    min_agreement: float = option(
        "Smallest share of held-out frames that keep their answer.", default=FRAME_AGREEMENT, least=0, most=1
    )
    compensate: bool = option(
        "Round weights such that their errors cancel on the frames given.",
        "--compensate/--no-compensate",
        default=True,
    )
    scales_of: Path | None = option(
        "The INT8 file that training rounded like (model.int8): its placement and scales are taken again.",
        default=None,
    )
    decoders: Decoders = decoders_option()
    cache: bool = option("Keep what calibration observed for the next time.", "--cache/--no-cache", default=True)

    def __post_init__(self) -> None:
        check_ranges(self)
        check_decoders(self.decoders)
        _check_choice("--target", self.target, tuple(PLACEMENTS))
        _check_choice("--method", self.method, ("auto", *METHODS))
        if self.placement is not None:
            _check_choice("--placement", self.placement, ("auto", *PLACEMENTS[self.target]))
        if self.scales_of is not None:
            self._check_nothing_to_choose()

    def _check_nothing_to_choose(self) -> None:
        """Refuse what the file of `scales_of` has decided."""
        chosen = {
            "--method": self.method != "auto",
            "--placement": self.placement is not None,
            _SKIP_LAYERS: self.skip != SkipLayers(),
            "--sensitivity": self.sensitivity,
        }
        for name in (name for name, given in chosen.items() if given):
            raise UsageError(name, f"is what {self.scales_of} says", "leave out --scales-of, or it")

    def recipes(self, skipped: tuple[str, ...]) -> list[Recipe]:
        """Return what is to be tried with the layers `skipped` left out."""
        methods = METHODS if self.method == "auto" else (self.method,)
        every = PLACEMENTS[self.target]
        placements = every if self.placement == "auto" else (self.placement or every[-1],)
        return [Recipe(self.target, method, placement, skipped) for placement in placements for method in methods]


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(option, f"unknown {value!r}", f"choose one of {', '.join(choices)}")
