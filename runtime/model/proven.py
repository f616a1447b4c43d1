"""On which kinds of device a plan was proven, as its manifest tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.fields import wrong_field, wrong_names


@dataclass(frozen=True, kw_only=True)
class GpuKind:
    """A GPU with the library that runs plans on it.

    gpu_name, compute_capability: as the driver says them.
    library_version: of TensorRT or TensorRT-RTX.
    driver_version: the CUDA version that the driver offers; told, but no part of the kind, as plans
        survive its update.
    """

    gpu_name: str
    compute_capability: str
    library_version: str
    driver_version: str

    def __post_init__(self) -> None:
        if wrong := wrong_field(self):
            raise ModelError("proof", wrong)

    def __str__(self) -> str:
        return f"{self.gpu_name}, compute capability {self.compute_capability}, version {self.library_version}"

    def same_as(self, other: GpuKind) -> bool:
        """Whether what was proven on one holds for the other."""
        return (self.gpu_name, self.compute_capability, self.library_version) == (
            other.gpu_name,
            other.compute_capability,
            other.library_version,
        )


@dataclass(frozen=True, kw_only=True)
class PlanProof:
    """That a plan gave Paddle's answers on one kind of device.

    crops: how many were compared.  error: the largest normalised error of their logits.  limit: what was allowed.
    """

    device: GpuKind
    crops: Annotated[int, Meta(gt=0, description="a positive number of crops")]
    error: Annotated[float, Meta(ge=0)]
    limit: Annotated[float, Meta(ge=0)]

    def __post_init__(self) -> None:
        if wrong := wrong_field(self):
            raise ModelError("proof", wrong)

    @classmethod
    def from_values(cls, values: Any) -> PlanProof:
        """Make a proof of JSON's values; raises ModelError for others."""
        for kind, fields in ((cls, values), (GpuKind, values.get("device") if isinstance(values, dict) else None)):
            if not isinstance(fields, dict):
                raise ModelError("proof", "is no JSON object")
            if wrong := wrong_names(kind, fields):
                raise ModelError("proof", wrong)
        return cls(**values | {"device": GpuKind(**values["device"])})
