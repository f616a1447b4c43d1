"""What a plan is built for: the GPU of this machine, or those that TensorRT-RTX is told."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.convert.engine.options import BuildOptions
from pptsn.runtime.base.errors import MissingDependencyError

# What TensorRT-RTX builds for unless told otherwise, and GPUs later than these (docs.nvidia.com, TensorRT-RTX,
# CPU-only AOT and TensorRT-RTX engines).
RTX_DEFAULT = ("8.0", "8.6", "8.9", "12.0")


@dataclass(frozen=True)
class Target:
    """The GPUs a plan is for; the fields are those of pptsn.runtime.model.manifest.Manifest."""

    gpu_name: str | None
    cuda_version: str | None
    compute_capabilities: tuple[str, ...]
    hardware_compatible: bool


def find_target(options: BuildOptions) -> Target:
    """Return what `options` build for on this machine.

    TensorRT measures on the GPU that it builds for, so without one this raises MissingDependencyError.
    TensorRT-RTX needs none; where there is one, its name is noted.
    """
    if options.builder == "tensorrt":
        name, capability, cuda_version = _local_gpu()
        return Target(name, cuda_version, (capability,), options.hardware_compatible)
    capabilities = options.compute_capabilities or RTX_DEFAULT
    hardware_compatible = not options.compute_capabilities
    try:
        name, _, cuda_version = _local_gpu()
    except MissingDependencyError:
        return Target(None, None, capabilities, hardware_compatible)
    return Target(name, cuda_version, capabilities, hardware_compatible)


def _local_gpu() -> tuple[str, str, str]:
    """Return name, compute capability and CUDA version of the first GPU, on which builders work."""
    from pptsn.runtime.engines.tensorrt.cuda import open_cuda

    device = open_cuda(0)
    return device.name, device.compute_capability, device.cuda_version
