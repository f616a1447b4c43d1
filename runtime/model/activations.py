"""By which scales an INT8 model reads its activations: told in its file, for networks that are to round alike.

Training knows layers, and conversion tensors.  Both know which operator reads a tensor, and the how-manieth of its
kind that is from the input on: by that they understand each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.model.file import ModelFile

# The entry of `ModelFile.quantization` that holds them; files of older releases have none.
ACTIVATIONS = "activations"


@dataclass(frozen=True, kw_only=True)
class ActivationScale:
    """How one input of one operator is rounded: q = round(x / scale) + zero_point.

    reader: the operator, as ONNX calls it.  number: of it among those of its kind, from 0, in the order in which
    they run.  input: which of its inputs, from 0.
    """

    reader: Annotated[str, Meta(max_length=40)]
    number: Annotated[int, Meta(ge=0, le=100_000)]
    input: Annotated[int, Meta(ge=0, le=1)]
    scale: Annotated[float, Meta(gt=0, le=1e30)]
    zero_point: Annotated[int, Meta(ge=0, le=255)]

    def __post_init__(self) -> None:
        if self.input and self.reader != "Add":
            raise ValueError(f"{self.reader} has no input {self.input} that is an activation")

    @property
    def place(self) -> tuple[str, int, int]:
        """Which input of which operator: (reader, number, input)."""
        return self.reader, self.number, self.input


def activations_as_json(scales: Iterable[ActivationScale]) -> list[dict[str, Any]]:
    """Return what `activation_scales` reads, as JSON values."""
    return [dataclasses.asdict(scale) for scale in scales]


def activation_scales(file: ModelFile) -> tuple[ActivationScale, ...]:
    """Return the scales of the activations of an INT8 file, one for each operator's input that it rounds.

    Raises UsageError for a file that is no INT8 one, ModelError for one that does not tell them.
    """
    if file.spec.precision != "int8" or file.quantization is None:
        raise UsageError(file.path, f"is {file.spec.precision}", "name a file of `pptsn convert int8`")
    if ACTIVATIONS not in file.quantization:
        cause = "does not tell the scales of its activations, as an older release made it"
        raise ModelError(file.path, cause, "quantize the model again by: pptsn convert int8")
    try:
        scales = msgspec.convert(file.quantization[ACTIVATIONS], tuple[ActivationScale, ...])
    except msgspec.ValidationError as error:
        raise ModelError(
            file.path, f"its activations' scales are damaged ({error})", "quantize it again"
        ) from error
    return scales


def open_quantized(path: str | Path) -> tuple[ModelFile, tuple[ActivationScale, ...]]:
    """Return the INT8 file at `path` and the scales of its activations; raises what either does."""
    file = ModelFile.open(path)
    return file, activation_scales(file)
