"""What a user asks of the engine builder, checked before anything heavy starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.model.manifest import BUILDERS

# An H200 runs 5, 25, 64 and 125 crops of ResNet-50 in FP16 at 8,000, 18,900, 24,300 and 25,600 views a second.
# So 64 are within 5 % of 125, for half the memory and half the wait for a full batch.  Two of them are the crops
# of a clip, of which the first are on their way while the rest is decoded.  Videos are run in batches of OPT, so
# a MAX beyond it costs memory and brings them nothing.
DEFAULT_BATCH = (1, 64, 64)


def parse_batch(text: str) -> tuple[int, int, int]:
    """Read MIN,OPT,MAX; raises UsageError for anything else, and for numbers out of order."""
    parts = text.split(",")
    if len(parts) != 3 or not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", part) for part in parts):
        raise UsageError("--batch", f"expected three numbers MIN,OPT,MAX, got {text!r}", "for instance 1,64,64")
    smallest, best, largest = (int(part) for part in parts)
    _check_batch((smallest, best, largest))
    return smallest, best, largest


def parse_compute_capabilities(texts: list[str]) -> tuple[str, ...]:
    """Read compute capabilities such as "8.6" or "8.6,8.9"; raises UsageError for anything else."""
    found = [part.strip() for text in texts for part in text.split(",")]
    wrong = [part for part in found if re.fullmatch(r"[0-9]{1,2}\.[0-9]", part) is None]
    if wrong:
        raise UsageError("--compute-capability", f"{wrong[0]!r} is none", "write it as in 8.6")
    return tuple(dict.fromkeys(found))


def _check_batch(batch: tuple[int, int, int]) -> None:
    smallest, best, largest = batch
    if not 1 <= smallest <= best <= largest:
        raise UsageError("--batch", f"expected 1 <= MIN <= OPT <= MAX, got {smallest},{best},{largest}")


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How to build a plan.

    builder: one of BUILDERS.
    batch: the smallest, best and largest number of crops a call.  Kernels are tuned for the best, which is what
        videos are classified in; memory is reserved for the largest, of use to callers of `infer` alone.
    workspace_mb: device memory that a layer may use while the plan runs, in 2**20 bytes; None sets no limit.
    optimization_level: 0 (quick build) to 5 (fast plan); None leaves it to the builder.
    timing_cache: TensorRT alone: a file that keeps measured kernels from one build to the next.
    hardware_compatible: TensorRT alone: a plan for every GPU from Ampere on, at some cost in speed.
    version_compatible: TensorRT alone: a plan that later versions of the same major number read too.
    compute_capabilities: TensorRT-RTX alone, such as ("8.6", "8.9"); empty builds for Ampere and later.

    Raises UsageError, naming the option, for values out of range and options of the other builder.
    """

    builder: str = option("tensorrt (this machine's GPU) or tensorrt-rtx.", default="tensorrt")
    batch: tuple[int, int, int] = option(
        "Crops a call: kernels are tuned for OPT, the batch of video files. GPU memory is reserved for "
        "MAX, twice or more; a MAX beyond OPT serves callers of infer() alone.",
        default=DEFAULT_BATCH,
        metavar="MIN,OPT,MAX",
        read=parse_batch,
        written=",".join(map(str, DEFAULT_BATCH)),
    )
    workspace_mb: int | None = option("Memory for one layer, MiB.", default=None, least=1)
    optimization_level: int | None = option(
        "0 builds fastest, 5 gives the fastest plan.", default=None, least=0, most=5
    )
    timing_cache: Path | None = option("Keep measurements here for the next build.", default=None)
    hardware_compatible: bool = option(
        "Run on every GPU from Ampere on (not on a Jetson).", "--hardware-compatible", default=False
    )
    version_compatible: bool = option(
        "Run with later versions of this major number too.", "--version-compatible", default=False
    )
    compute_capabilities: tuple[str, ...] = option(
        "tensorrt-rtx: GPUs to build for, as in 8.6,8.9; may be repeated.",
        "--compute-capability",
        default=(),
        read=parse_compute_capabilities,
    )

    def __post_init__(self) -> None:
        if self.builder not in BUILDERS:
            choice = f"choose one of {', '.join(BUILDERS)}"
            raise UsageError("--builder", f"unknown builder {self.builder!r}", choice)
        _check_batch(self.batch)
        check_ranges(self)
        if self.builder == "tensorrt":
            self._check_tensorrt()
        else:
            self._check_rtx()

    def _check_tensorrt(self) -> None:
        if self.compute_capabilities:
            raise UsageError(
                "--compute-capability",
                "TensorRT builds for the GPU of this machine alone",
                "use --builder tensorrt-rtx, or --hardware-compatible",
            )

    def _check_rtx(self) -> None:
        if self.timing_cache is not None:
            raise UsageError("--timing-cache", "TensorRT-RTX measures nothing while it builds", "leave it out")
        if self.hardware_compatible:
            raise UsageError(
                "--hardware-compatible",
                "plans of TensorRT-RTX run on Ampere and later as they are",
                "leave it out, or choose GPUs by --compute-capability",
            )
        if self.version_compatible:
            raise UsageError(
                "--version-compatible",
                "a plan of TensorRT-RTX runs with the version that built it alone",
                "leave it out, and build again after an update",
            )
